"""The trained bundles, for the tests of training."""

from training.bundles import anomaly_bundle, detector_bundle

__all__ = ["anomaly_bundle", "detector_bundle"]
