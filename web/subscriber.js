import { Patience } from "./patience.js";

// The subscribe peer: the server offers, we answer. Says which MediaStreamTrack carries which published track.
export class Subscriber {
  connection = null;
  // Track id → the RTCRtpTransceiver that receives it, as of the latest offer.
  receiving = new Map();
  #configuration = {};
  #send;
  #onstate;
  #onmedia;
  #session = null;
  #queue = Promise.resolve();
  #patience = new Patience(() => this.connection);

  // `onmedia()` is called after each offer, when `receiving` may have changed.
  constructor({ send, onstate, onmedia }) {
    this.#send = send;
    this.#onstate = onstate;
    this.#onmedia = onmedia;
  }

  open(iceServers) {
    this.close();
    this.#queue = Promise.resolve(); // what is asked of a closed connection may never end
    this.#configuration = { iceServers, bundlePolicy: "max-bundle" };
  }

  // Answers an offer. The server has one in flight at most, but a browser may still be busy with the one before.
  offered({ sdp, tracks }) {
    const turn = this.#queue.then(() => this.#answer(sdp, tracks));
    this.#queue = turn.catch(() => {});
    return turn;
  }

  restart() {
    this.#send({ type: "restart", target: "subscribe" }, "offer");
  }

  close() {
    this.#patience.stop();
    this.connection?.close();
    this.connection = this.#session = null;
    this.receiving.clear();
  }

  async #answer(sdp, tracks) {
    const connection = this.#connectionFor(sdp);
    try {
      await connection.setRemoteDescription({ type: "offer", sdp });
      await connection.setLocalDescription(await connection.createAnswer());
    } catch (error) {
      if (connection === this.connection) throw error;
    }
    if (connection !== this.connection) return;
    this.#send({ type: "answer", sdp: connection.localDescription.sdp });
    this.receiving.clear();
    for (const transceiver of connection.getTransceivers()) {
      const track = tracks[transceiver.mid]?.track;
      if (track) this.receiving.set(track, transceiver);
    }
    this.#onmedia();
  }

  // The session id of the offer's o= line names the server's peer: a new id is a new peer, which needs a new connection.
  #connectionFor(sdp) {
    const session = /^o=\S+ (\S+)/m.exec(sdp)?.[1];
    if (this.connection && session === this.#session) return this.connection;
    this.close();
    this.#session = session;
    const connection = new RTCPeerConnection(this.#configuration);
    connection.onconnectionstatechange = () => {
      if (connection === this.connection) this.#onstate();
    };
    this.connection = connection;
    this.#patience.start();
    return connection;
  }
}
