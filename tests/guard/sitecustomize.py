"""Put the network guard into Python processes that tests start (found through PYTHONPATH)."""

import network_guard

network_guard.install()
