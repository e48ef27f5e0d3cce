"""Data sets in memory by name; each file is one, beside the pair rule and the batches."""

from deformgan.datasets.market1501 import Market1501

DATASETS = {"market1501": Market1501}
