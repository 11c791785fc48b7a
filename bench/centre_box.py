"""A centre of one box for a benchmark: keys, broker configuration, settings."""

from pathlib import Path

from haihe_cloud.admit.broker import write_broker_files
from haihe_cloud.admit.pki import Pki
from haihe_contract.clock import SystemClock
from haihe_simulators import scenery


def centre_files(folder: Path, actor: scenery.Actor, broker_port: int, page_port: int) -> tuple[Path, Path]:
    """Write everything that broker, centre and one station need; the files of broker and centre."""
    pki = Pki(folder / "pki", SystemClock())
    pki.init()
    pki.broker(["127.0.0.1", "localhost"])
    pki.centre("haihe")
    pki.make_receipt_key()
    pki.station(actor.code)
    conf = write_broker_files(folder / "broker", pki, "haihe", port=broker_port, host="127.0.0.1")
    scenery.write_yaml(folder / "stations.yaml", scenery.stations_document([actor]))
    scenery.write_yaml(folder / "rules.yaml", scenery.rules_document())
    settings = scenery.centre_document(folder / "pki", broker_port, page_port, "en")
    return conf, scenery.write_yaml(folder / "centre.yaml", settings)
