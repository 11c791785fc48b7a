"""What a user would write: pymodbus, each answer as a line of JSON over MQTT. It keeps nothing.

python bench/naive.py MQTT_PORT MODBUS_PORT...
"""

import asyncio
import json
import sys
import time

import paho.mqtt.client as paho
from farm import REGISTERS
from paho.mqtt.enums import CallbackAPIVersion
from pymodbus.client import AsyncModbusTcpClient


async def poll(name: str, port: int, broker: paho.Client) -> None:
    """Read one instrument every second."""
    client = AsyncModbusTcpClient("127.0.0.1", port=port)
    await client.connect()
    due = time.monotonic()
    while True:
        answer = await client.read_holding_registers(0, count=REGISTERS, device_id=1)
        if not answer.isError():
            values = {f"r{at}": register for at, register in enumerate(answer.registers)}
            broker.publish(f"station/{name}", json.dumps({"ts": int(time.time() * 1000), "values": values}), qos=1)
        due += 1
        await asyncio.sleep(max(0, due - time.monotonic()))


async def main(mqtt_port: int, ports: list[int]) -> None:
    """Read all of them until ended."""
    broker = paho.Client(CallbackAPIVersion.VERSION2)
    broker.connect("127.0.0.1", mqtt_port)
    broker.loop_start()
    await asyncio.gather(*(poll(f"i{at}", port, broker) for at, port in enumerate(ports)))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), [int(word) for word in sys.argv[2:]]))
