"""Put before a worker's own code by PYTHONPATH: at SIGUSR1 its event loop stands still for twenty seconds.

A signal's handler runs in the main thread, between two steps of the loop: nothing else of that thread goes on.
"""

import signal
import time

SECONDS = 20.0

signal.signal(signal.SIGUSR1, lambda *_: time.sleep(SECONDS))
