"""Simulated accelerators behind the real kubelet API: the vendor's side, for clusters that have no accelerator.

Only the devices are simulated. The kubelet, its sockets, the allocations and the CPU time of the holders are real.
"""
