"""Ways out of the station. Each keeps to :class:`haihe_edge.forward.port.Link`."""
