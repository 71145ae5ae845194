"""A Chzzk on loopback: real HTTP and WebSocket, scripted broadcasts, scripted faults.

It imports none of the product's code, so it cannot repeat the decoder's mistakes.
"""

from simulator.demo import demo_channels
from simulator.fault import Fault, FaultError
from simulator.generator import frames, generate
from simulator.intensity import random_bursts
from simulator.journal import ConnectionRecord, RequestRecord
from simulator.ledger import Onset, SentItem
from simulator.script import Broadcast, Burst, Channel, ScriptError, channels_from_json
from simulator.server import Progress, Simulator

__all__ = [
    "Broadcast",
    "Burst",
    "Channel",
    "ConnectionRecord",
    "Fault",
    "FaultError",
    "Onset",
    "Progress",
    "RequestRecord",
    "ScriptError",
    "SentItem",
    "Simulator",
    "channels_from_json",
    "demo_channels",
    "frames",
    "generate",
    "random_bursts",
]
