"""Bulk generation: many photos in many poses, from disk to disk."""

from deformgan.bulk.listing import Source, Target, find_pairs, list_sources, list_targets
from deformgan.bulk.run import RECORD, Bulk, BulkReport

__all__ = [
    "RECORD",
    "Bulk",
    "BulkReport",
    "Source",
    "Target",
    "find_pairs",
    "list_sources",
    "list_targets",
]
