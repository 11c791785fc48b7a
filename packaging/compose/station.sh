#!/bin/sh
# Simulated instruments and the station's agent in one container: pseudo-terminals cannot leave it.
# When the agent ends, for whatever reason, the container ends.
site=${1:-/etc/haihe/site.yaml}

haihe-sim station "$site" --logs "${2:-/var/lib/haihe/answers}" &
instruments=$!
haihe-edge run "$site" &
agent=$!
trap 'kill -TERM $agent' TERM INT
# A signal ends `wait` early, so it is asked until the agent has stopped in order.
wait $agent
code=$?
while kill -0 $agent 2>/dev/null; do
  wait $agent
  code=$?
done
kill -TERM $instruments 2>/dev/null
exit $code
