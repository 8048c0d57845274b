"""Put the network guard into Python processes that tests start (found through PYTHONPATH)."""

import sys

from network import refuse

sys.addaudithook(refuse)
