"""The broker's configuration: who may publish what, and the defaults of Mosquitto that must not stay."""

import getpass
from pathlib import Path

from .files import write
from .pki import Pki, centre_user

_ACL = """\
# A station's certificate names it (%u); it may speak only under its own name and read only what is for it.
# Mosquitto applies pattern rules to every user, the centre included: for a centre they add nothing.
user {user}
topic readwrite haihe/#

pattern write haihe/1/+/%u/up/#
pattern read haihe/1/+/%u/down/#
"""

_CONF = """\
# Made by haihe-cloud. Start with: mosquitto -c {path}
# The keys belong to this user; Mosquitto started as root changes to it.
user {owner}

listener {port} {host}
cafile {ca}
certfile {certificate}
keyfile {key}
require_certificate true
use_identity_as_username true
tls_version tlsv1.2
allow_anonymous false
acl_file {acl}
set_tcp_nodelay true

# The default of 1000 drops messages that were acknowledged. Bytes are the bound instead; what is beyond it
# is dropped too, and sent again by the station, because only the centre's receipt frees a record.
max_queued_messages 0
max_queued_bytes 536870912
max_inflight_messages 1000
max_packet_size 2097152

# Sessions, queues and retained receipts survive a kill except for the last seconds; receipts repair those.
persistence true
persistence_location {data}/
autosave_on_changes false
autosave_interval 30
persistent_client_expiration 14d

log_dest stderr
log_type error
log_type warning
log_type notice
"""


def write_broker_files(directory: Path, pki: Pki, centre: str, *, port: int, host: str = "0.0.0.0") -> Path:
    """Write ``mosquitto.conf`` and ``acl`` into a directory; the path of the former.

    Args:
        directory: where they and the broker's own data go.
        pki: whose broker certificate is used.
        centre: name of the centre that may read and write everything.
        port: TLS port to listen on.
        host: address to listen on.

    Raises:
        FieldError: when they cannot be written.
    """
    directory = directory.absolute()
    keys = pki.directory.absolute()
    conf, acl, data = directory / "mosquitto.conf", directory / "acl", directory / "data"
    data.mkdir(parents=True, exist_ok=True)
    write(acl, _ACL.format(user=centre_user(centre)).encode())
    text = _CONF.format(
        path=conf,
        owner=getpass.getuser(),
        port=port,
        host=host,
        ca=keys / "ca.pem",
        certificate=keys / "broker.pem",
        key=keys / "broker.key",
        acl=acl,
        data=data,
    )
    write(conf, text.encode())
    return conf
