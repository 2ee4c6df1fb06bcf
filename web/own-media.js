import { captureCamera, captureMicrophone, captureScreen, release, videoQualities } from "./capture.js";
import { NeedletailError } from "./failures.js";

// What we publish: opened, muted and ended here, carried by the Publisher, which keeps it by label. What was opened here is
// closed here, whatever goes wrong; a track that was handed in is never stopped.
export class OwnMedia {
  #publisher;
  #send;
  #onchange;
  #onlost;
  #onfailure;
  #isClosed = false;
  #streams = { user: new MediaStream(), screen: new MediaStream() };
  // Device → what is being done with it.
  #turns = new Map();

  // `onchange(label)`: it began, ended or was muted; `onlost(label)`: its device went away; `onfailure(error)`: what we did
  // by ourselves failed.
  constructor(publisher, { send, onchange, onlost, onfailure }) {
    this.#publisher = publisher;
    this.#send = send;
    this.#onchange = onchange;
    this.#onlost = onlost;
    this.#onfailure = onfailure;
  }

  async publishMicrophone(constraints) {
    return this.#inTurn("microphone", () => this.#open("microphone", () => captureMicrophone(constraints)));
  }

  async publishCamera({ quality, ...constraints }) {
    requireQuality(quality);
    const { maxBitrate } = videoQualities[quality];
    const reopen = () => captureCamera({ quality, ...constraints });
    return this.#inTurn("camera", () => this.#open("camera", reopen, { encoding: { maxBitrate }, reopen }));
  }

  async publishScreen() {
    return this.#inTurn("screen", async () => {
      this.#requireFree("screen");
      const { video, audio } = await captureScreen();
      try {
        await this.#publish(video, "screen", { encoding: { maxBitrate: 3_000_000 }, isOurs: true });
      } catch (error) {
        release(video);
        release(audio);
        throw error;
      }
      await this.#publishSound(audio);
      return video;
    });
  }

  async publish(media, label, { encoding } = {}) {
    return this.#inTurn(label, () => this.#publish(media, label, { encoding }));
  }

  unpublish(label) {
    return this.#inTurn(label, () => this.#unpublish(label));
  }

  setMuted(label, muted) {
    return this.#inTurn(label, () => this.#setMuted(label, muted));
  }

  // Closes every device, also those that are just being opened.
  release() {
    this.#isClosed = true;
    for (const source of this.#publisher.sources.values()) this.#close(source);
    this.#publisher.sources.clear();
  }

  // One thing at a time with each device: it is never opened twice.
  #inTurn(label, work) {
    const device = isOfScreen(label) ? "screen" : label;
    const turn = Promise.resolve(this.#turns.get(device)).then(work);
    this.#turns.set(device, turn.catch(() => {}));
    return turn;
  }

  async #open(label, capture, options) {
    this.#requireFree(label);
    const media = await capture();
    try {
      return await this.#publish(media, label, { ...options, isOurs: true });
    } catch (error) {
      release(media);
      throw error;
    }
  }

  // The sound of a screen. The picture is worth showing without.
  async #publishSound(audio) {
    try {
      if (audio) await this.#publish(audio, "screen-audio", { isOurs: true });
    } catch (error) {
      release(audio);
      this.#onfailure(error);
    }
  }

  async #publish(media, label, options) {
    this.#requireFree(label);
    const group = this.#streams[isOfScreen(label) ? "screen" : "user"];
    const source = { label, kind: media.kind, group, muted: false, id: null, isOurs: false, ...options };
    this.#take(source, media);
    await this.#publisher.add(source);
    this.#requireRoom();
    this.#onchange(label);
    return media;
  }

  async #unpublish(label) {
    const source = this.#publisher.sources.get(label);
    if (!source) return;
    this.#close(source);
    const removal = this.#publisher.remove(label);
    this.#onchange(label);
    await removal;
    if (label === "screen") await this.#unpublish("screen-audio");
  }

  async #setMuted(label, muted) {
    const source = this.#publisher.sources.get(label);
    if (!source || source.muted === muted) return;
    if (!muted && !source.media) await this.#reopen(source);
    source.muted = muted;
    if (source.media) source.media.enabled = !muted;
    if (source.id) this.#send({ type: "mute", track: source.id, muted });
    if (muted && source.reopen) {
      release(source.media);
      this.#take(source, null);
    }
    this.#onchange(label);
  }

  async #reopen(source) {
    const media = await source.reopen();
    if (this.#isClosed) release(media);
    this.#requireRoom();
    this.#take(source, media);
  }

  // From now on `source` sends `media`.
  #take(source, media) {
    source.media = media;
    media?.addEventListener("ended", () => this.#ended(source, media), { once: true });
    // A closed connection refuses; the one that comes after it sends what the source has then.
    source.transceiver?.sender.replaceTrack(media).catch(() => {});
  }

  #ended(source, media) {
    if (this.#publisher.sources.get(source.label) !== source || source.media !== media) return;
    if (!isOfScreen(source.label)) this.#onlost(source.label);
    this.unpublish(source.label).catch(this.#onfailure);
  }

  #close({ media, isOurs }) {
    if (isOurs) release(media);
  }

  #requireFree(label) {
    this.#requireRoom();
    if (this.#publisher.sources.has(label)) throw new NeedletailError("already-published", `The ${label} is already published.`);
  }

  #requireRoom() {
    if (this.#isClosed) throw new NeedletailError("closed", "The room was left.");
  }
}

function requireQuality(quality) {
  if (Object.hasOwn(videoQualities, quality)) return;
  throw new NeedletailError("bad-quality", `There is no quality “${quality}”. Choose one of ${Object.keys(videoQualities).join(", ")}.`);
}

const isOfScreen = (label) => label.startsWith("screen");
