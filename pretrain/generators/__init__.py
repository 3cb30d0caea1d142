"""Synthetic series: families, one file each, and the mix they are drawn in."""

from pretrain.generators.mix import BUCKETS, QUOTAS, STEPS, VERSION, Batch, batch

__all__ = ["BUCKETS", "QUOTAS", "STEPS", "VERSION", "Batch", "batch"]
