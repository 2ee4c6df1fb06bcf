const patience = 4_000; // milliseconds that media may be interrupted before ICE is restarted

// Watches peer connections: says when one needs a new way to the server, and which have lost theirs.
export class Watchdog {
  #revive;
  #timers = new Map();
  #everConnected = new WeakSet();

  // `revive(target)` is called when the connection of a peer, "publish" or "subscribe", does not come back by itself.
  constructor(revive) {
    this.#revive = revive;
  }

  // The state of the connection that `target` has now, or its having one, changed.
  changed(target, connection) {
    const state = connection?.connectionState;
    clearTimeout(this.#timers.get(target));
    if (state === "connected") this.#everConnected.add(connection);
    if (state === "failed") this.#revive(target);
    if (state === "disconnected") this.#timers.set(target, setTimeout(() => this.#revive(target), patience));
  }

  // Whether media stopped; a connection that is still being made has not.
  isInterrupted(connection) {
    return Boolean(connection) && connection.connectionState !== "connected"
      && (this.#everConnected.has(connection) || connection.connectionState === "failed");
  }

  stop() {
    for (const timer of this.#timers.values()) clearTimeout(timer);
  }
}
