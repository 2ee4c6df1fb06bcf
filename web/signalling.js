// One WebSocket to the server: JSON messages in and out, and the news of its end. Nothing here knows what messages mean.

import { NeedletailError } from "./failures.js";

const patience = 10_000; // milliseconds for an answer; a page sees neither the server's pings nor a connection that hangs

export class Signalling {
  #socket;
  #onend;
  #ended = false;
  // Type of message that is due → the timer that runs out when it does not come.
  #due = new Map();

  // `onmessage(message)` for each message; `onend()` exactly once, when the connection is lost or could not be made.
  constructor(url, { onopen, onmessage, onend }) {
    this.#socket = makeSocket(url);
    this.#onend = onend;
    this.#socket.onopen = () => onopen();
    this.#socket.onclose = () => this.abandon();
    this.#socket.onmessage = ({ data }) => {
      if (this.#ended) return;
      const message = JSON.parse(data);
      this.#came(message.type);
      onmessage(message);
    };
  }

  // `answer`: the type of the message that is to come back.
  send(message, answer) {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    this.#socket.send(JSON.stringify(message));
    if (answer) this.expect(answer);
  }

  // From now on the connection counts as lost if neither a message of this type nor an error comes.
  expect(type) {
    if (!this.#due.has(type)) this.#due.set(type, setTimeout(() => this.abandon(), patience));
  }

  // Gives it up as lost.
  abandon() {
    if (this.#ended) return;
    this.close();
    this.#onend();
  }

  // Ends it on purpose: `onend` is not called.
  close() {
    this.#ended = true;
    this.#came("error");
    this.#socket.close();
  }

  #came(type) {
    for (const due of type === "error" ? [...this.#due.keys()] : [type]) {
      clearTimeout(this.#due.get(due));
      this.#due.delete(due);
    }
  }
}

// The address of the signalling WebSocket: `url` may be http(s) or ws(s), with or without a path; default is this page's server.
export function signallingURL(url) {
  const text = url ?? "/ws";
  if (!URL.canParse(text, globalThis.location?.href)) throw badURL(text);
  const address = new URL(text, globalThis.location?.href);
  if (address.protocol === "https:") address.protocol = "wss:";
  if (address.protocol === "http:") address.protocol = "ws:";
  if (address.pathname === "/") address.pathname = "/ws";
  if (!/^wss?:$/.test(address.protocol)) throw badURL(text);
  return address.href;
}

const badURL = (url) => new NeedletailError("bad-url", `${url} is not the address of a server. It looks like https://sfu.example.org.`);

function makeSocket(url) {
  try {
    return new WebSocket(url);
  } catch (error) {
    throw new NeedletailError("bad-url", `This page cannot connect to ${url}: ${error.message}`, { cause: error });
  }
}
