"""The kubelet's two gRPC APIs on unix sockets: device plugins and PodResources."""
