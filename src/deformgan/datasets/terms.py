"""Under which terms data sets may be used, and what to cite; of those that have any."""

# By the names of `DATASETS`. What people render or photograph themselves is theirs.
TERMS = {
    "cuhk03": "CUHK03: research only; identifiable people, do not redistribute; cite Li et al., "
    "'DeepReID: Deep Filter Pairing Neural Network for Person Re-Identification', CVPR 2014",
    "market1501": "Market-1501: academic research only; identifiable people, do not redistribute; "
    "cite Zheng et al., 'Scalable Person Re-identification: A Benchmark', ICCV 2015",
    "deepfashion": "DeepFashion: non-commercial research under its agreement; do not redistribute; "
    "cite Liu et al., 'DeepFashion: Powering Robust Clothes Recognition and Retrieval with Rich "
    "Annotations', CVPR 2016",
}
