"""Tables of comparisons, by hand."""

import re

from deformgan.evaluation.comparison import compare_reports
from deformgan.evaluation.comparison_tables import write_latex, write_markdown


def test_the_best_is_bold_by_the_metrics_direction_and_ties_share_it(report):
    numbers = {"ssim": [0.5], "l1": [0.5], "sharpness": [0.5], "psnr": [12.0]}
    a = report("a", numbers)
    b = report("b", {"ssim": [0.4], "l1": [0.4], "sharpness": [0.4], "psnr": [12.0]})
    found = compare_reports([a, b])
    assert found["best"] == {"ssim": ["a"], "l1": ["b"], "psnr": ["a", "b"]}
    text = write_markdown(found)
    assert "| ssim ↑ | **0.500** [0.100, 0.200] | 0.400 [0.100, 0.200] |" in text
    assert "| l1 ↓ | 0.500 [0.100, 0.200] | **0.400** [0.100, 0.200] |" in text
    assert "| sharpness | 0.500 [0.100, 0.200] | 0.400 [0.100, 0.200] |" in text


def test_the_tables_say_what_was_corrected_and_what_is_significant(report, random_numbers):
    def written(shift):
        ours, theirs = random_numbers(shift=shift)
        return write_markdown(
            compare_reports([report("a", {"ssim": ours}), report("b", {"ssim": theirs})])
        )

    text = written(0.3)
    assert re.search(r"\| ssim ↑ \| \+0\.\d+ \[\+0\.\d+, \+0\.\d+\], p .* \* better \|", text)
    assert "Holm's correction for the 1 comparisons" in text
    assert " * " not in written(0.0).split("\n- ")[0]


def test_latex_has_balanced_braces_equal_columns_and_no_bare_specials(report, random_numbers):
    ours, theirs = random_numbers(12, shift=-0.3)
    found = compare_reports(
        [report("50 % & more", {"mask_ssim": ours}), report("a_b#{}\\^~$", {"mask_ssim": theirs})]
    )
    text = write_latex(found)
    plain = re.sub(r"\\[&%$#_{}]", "", text)
    assert plain.count("{") == plain.count("}")
    assert plain.count("$") % 2 == 0
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 2
    for block, columns in re.findall(
        r"\\begin{tabular}{(l?r*)}\n(.*?)\\end{tabular}", text, flags=re.DOTALL
    ):
        rows = [line for line in columns.splitlines() if line.endswith(r"\\")]
        assert len(rows) == 2
        assert all(len(re.findall(r"(?<!\\)&", row)) == len(block) - 1 for row in rows)
    assert r"mask\_ssim $\uparrow$" in text
    assert r"\textbf{0." in text
    assert "$-$0." in text


def test_a_bar_in_a_label_is_no_column_of_markdown(report):
    found = compare_reports([report("a|b", {"ssim": [0.1]}), report("c", {"ssim": [0.2]})])
    assert "| a\\|b | c |" in write_markdown(found)
