"""api/gateways"""
