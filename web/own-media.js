import { captureCamera, captureMicrophone, captureScreen, release, videoQualities } from "./capture.js";

// What we publish: opened, muted and ended here, carried by the Publisher, which keeps it by label.
export class OwnMedia {
  #publisher;
  #send;
  #onchange;
  #onlost;
  #onfailure;
  #streams = { user: new MediaStream(), screen: new MediaStream() };

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
    return this.publish(await captureMicrophone(constraints), "microphone");
  }

  async publishCamera({ quality, ...constraints }) {
    const { maxBitrate } = videoQualities[quality];
    const recapture = () => captureCamera({ quality, ...constraints });
    return this.publish(await recapture(), "camera", { encoding: { maxBitrate }, recapture });
  }

  async publishScreen() {
    const { video, audio } = await captureScreen();
    try {
      await this.publish(video, "screen", { encoding: { maxBitrate: 3_000_000 } });
      if (audio) await this.publish(audio, "screen-audio");
    } catch (error) {
      for (const track of [video, audio]) track?.stop();
      throw error;
    }
    return video;
  }

  async publish(media, label, { encoding, recapture } = {}) {
    const group = label.startsWith("screen") ? this.#streams.screen : this.#streams.user;
    const source = { label, kind: media.kind, media, encoding, recapture, group, muted: false, id: null };
    media.onended = () => this.#ended(source);
    await this.#publisher.add(source);
    this.#onchange(label);
    return media;
  }

  async unpublish(label) {
    const source = this.#publisher.sources.get(label);
    release(source?.media);
    await this.#publisher.remove(label);
    this.#onchange(label);
    if (label === "screen" && this.#publisher.sources.has("screen-audio")) await this.unpublish("screen-audio");
  }

  async setMuted(label, muted) {
    const source = this.#publisher.sources.get(label);
    if (!source || source.muted === muted) return;
    if (!muted && source.recapture && !source.media) {
      source.media = await source.recapture();
      source.media.onended = () => this.#ended(source);
      await source.transceiver?.sender.replaceTrack(source.media);
    }
    source.muted = muted;
    if (source.media) source.media.enabled = !muted;
    if (source.id) this.#send({ type: "mute", track: source.id, muted });
    if (muted && source.recapture) {
      release(source.media);
      source.media = null;
      await source.transceiver?.sender.replaceTrack(null);
    }
    this.#onchange(label);
  }

  // Closes every device.
  release() {
    for (const { media } of this.#publisher.sources.values()) release(media);
  }

  #ended(source) {
    if (this.#publisher.sources.get(source.label) !== source) return;
    if (!source.label.startsWith("screen")) this.#onlost(source.label);
    this.unpublish(source.label).catch((error) => this.#onfailure(error));
  }
}
