const interval = 2_000; // milliseconds between looks
const worthwhile = 120; // a round trip, in milliseconds, below which browsers wait long enough by themselves
const longest = 1_000; // milliseconds that a picture may be held back
const calm = 30_000; // milliseconds without a loss, after which nothing is held back any more

// Has a receive-only connection wait for packets that are sent again from far away. A browser that sends nothing on a connection
// does not know its round trip, takes 100 ms for granted, and goes on without what comes later: the picture stands still.
export class Patience {
  #connectionOf;
  #timer = null;
  #asked = new Map(); // stream → {count of NACKs, when it last grew}

  // `connectionOf()` gives the connection that receives, or null.
  constructor(connectionOf) {
    this.#connectionOf = connectionOf;
  }

  start() {
    this.#timer ??= setInterval(() => this.#look().catch(() => {}), interval);
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = null;
    this.#asked.clear();
  }

  async #look() {
    const connection = this.#connectionOf();
    if (connection?.connectionState !== "connected") return;
    const stats = [...(await connection.getStats()).values()];
    const pair = stats.find(({ type, nominated, currentRoundTripTime }) => type === "candidate-pair" && nominated && currentRoundTripTime);
    const roundTrip = (pair?.currentRoundTripTime ?? 0) * 1000;
    for (const stream of stats) if (stream.type === "inbound-rtp" && stream.kind === "video") this.#settle(stream, roundTrip, connection);
  }

  #settle({ id, trackIdentifier, nackCount = 0 }, roundTrip, connection) {
    const before = this.#asked.get(id) ?? { nackCount, at: -Infinity };
    const at = nackCount > before.nackCount ? performance.now() : before.at;
    this.#asked.set(id, { nackCount, at });
    const receiver = connection.getReceivers().find(({ track }) => track.id === trackIdentifier);
    if (!receiver || !("jitterBufferTarget" in receiver)) return;
    const isNeeded = roundTrip > worthwhile && performance.now() - at < calm;
    receiver.jitterBufferTarget = isNeeded ? Math.min(roundTrip + 100, longest) : null;
  }
}
