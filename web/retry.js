const firstPause = 500; // milliseconds; doubles with each attempt
const longestPause = 8_000;

// When to try again after the connection was lost: with growing pauses, at once when the network is back, and not for ever.
export class Retry {
  #attempt;
  #limit;
  #lostAt = null;
  #pause = firstPause;
  #timer = null;
  #online = () => this.#timer && this.#now();

  // `attempt()` tries again; `limit`: for how many milliseconds.
  constructor(attempt, limit) {
    this.#attempt = attempt;
    this.#limit = limit;
  }

  // The connection is lost, or could not be made again. False: it has been for too long.
  lost() {
    globalThis.addEventListener?.("online", this.#online);
    this.#lostAt ??= Date.now();
    if (Date.now() - this.#lostAt > this.#limit) return false;
    this.#timer = setTimeout(() => this.#now(), this.#pause * (0.75 + Math.random() / 2));
    this.#pause = Math.min(longestPause, this.#pause * 2);
    return true;
  }

  succeeded() {
    this.stop();
    this.#lostAt = null;
    this.#pause = firstPause;
  }

  stop() {
    clearTimeout(this.#timer);
    globalThis.removeEventListener?.("online", this.#online);
  }

  #now() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#attempt();
  }
}
