-- Run inside Pktgen-DPDK (pktgen -f ramp.lua) with a pcap of make-pcap on port 0: finds the highest rate at
-- which the server answers every frame, and prints a table. Every frame has exactly one answer, so answers
-- received are compared with frames sent. Settings come from the environment, see run.

package.path = package.path .. ";?.lua;test/?.lua;app/?.lua;../?.lua"
require "Pktgen"

local function setting(name, default)
    return tonumber(os.getenv(name) or "") or default
end

local port = "0"
local seconds = setting("RAMP_SECONDS", 5)
local low, high = 0.0, setting("RAMP_MAX_PERCENT", 100)
local precision = setting("RAMP_PRECISION", 0.1) -- of the line rate, in percent
local loss_allowed = setting("RAMP_LOSS_PPM", 0)

local function counts()
    local row = pktgen.portStats(port, "port")[0]
    return row.opackets, row.ipackets
end

-- One trial: sends at a percentage of the line rate; the server then gets a second to finish.
local function trial(percent)
    pktgen.set(port, "rate", percent)
    local sent_before, received_before = counts()
    pktgen.start(port)
    pktgen.delay(seconds * 1000)
    pktgen.stop(port)
    pktgen.delay(1000)
    local sent_after, received_after = counts()
    local sent, received = sent_after - sent_before, received_after - received_before
    local lost = math.max(0, sent - received)
    local ok = sent > 0 and lost * 1e6 <= sent * loss_allowed
    printf("%9.3f %14.0f %14.0f %12d %10.4f  %s\n", percent, sent / seconds, received / seconds, lost,
        sent > 0 and 100 * lost / sent or 0, ok and "ok" or "loss")
    return ok, sent / seconds
end

pktgen.screen("off")
pktgen.set(port, "count", 0)
pktgen.pcap(port, "on")
pktgen.delay(1000)
printf("%9s %14s %14s %12s %10s\n", "% of line", "sent/s", "answered/s", "lost", "lost %")

-- Doubles the rate until there is loss, then halves the interval.
local best, rate = 0, math.min(high, setting("RAMP_START_PERCENT", 0.5))
while true do
    local ok, per_s = trial(rate)
    if not ok then
        high = rate
        break
    end
    low, best = rate, per_s
    if rate >= high then
        break
    end
    rate = math.min(high, rate * 2)
end
while high - low > precision do
    local middle = (low + high) / 2
    local ok, per_s = trial(middle)
    if ok then
        low, best = middle, per_s
    else
        high = middle
    end
end
printf("highest rate without loss: %.0f frames/s (%.3f %% of the line rate)\n", best, low)
pktgen.quit()
