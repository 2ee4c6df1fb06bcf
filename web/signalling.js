// One WebSocket to the server: JSON messages in and out, and the news of its end. Nothing here knows what messages mean.

export class Signalling {
  #socket;
  #ended = false;

  // `onmessage(message)` for each message; `onend()` exactly once, when the connection is lost or could not be made.
  constructor(url, { onopen, onmessage, onend }) {
    this.#socket = new WebSocket(url);
    this.#socket.onopen = () => onopen();
    this.#socket.onmessage = ({ data }) => {
      if (!this.#ended) onmessage(JSON.parse(data));
    };
    this.#socket.onclose = () => this.#end(onend);
    this.abandon = () => {
      this.#end(onend);
      this.#socket.close();
    };
  }

  send(message) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  // Ends it on purpose: `onend` is not called.
  close() {
    this.#ended = true;
    this.#socket.close();
  }

  #end(onend) {
    if (this.#ended) return;
    this.#ended = true;
    onend();
  }
}

// The address of the signalling WebSocket: `url` may be http(s) or ws(s), with or without a path; default is this page's server.
export function signallingURL(url) {
  const address = new URL(url ?? "/ws", globalThis.location?.href);
  if (address.protocol === "https:") address.protocol = "wss:";
  if (address.protocol === "http:") address.protocol = "ws:";
  if (address.pathname === "/") address.pathname = "/ws";
  return address.href;
}
