"""Terms of use and citations of data sets that have any."""

# Keys are those of `DATASETS`. Renderings and photos of users are their own.
TERMS = {
    "cuhk03": "CUHK03: research only; identifiable people, do not redistribute; cite Li et al., "
    "'DeepReID: Deep Filter Pairing Neural Network for Person Re-Identification', CVPR 2014",
    "market1501": "Market-1501: academic research only; identifiable people, do not redistribute; "
    "cite Zheng et al., 'Scalable Person Re-identification: A Benchmark', ICCV 2015",
    "deepfashion": "DeepFashion: non-commercial research under its agreement; do not redistribute; "
    "cite Liu et al., 'DeepFashion: Powering Robust Clothes Recognition and Retrieval with Rich "
    "Annotations', CVPR 2016",
}
