"""The engines behind :mod:`haihe_cloud.database`, and every difference between them."""
