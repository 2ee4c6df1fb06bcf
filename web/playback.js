// Browsers may refuse to play sound on a page that was not touched yet. What they refused is played at the first touch.
export class Playback {
  #silenced = new Set();
  #onchange;

  // `onchange(isSilenced)`: whether something waits for the person.
  constructor(onchange) {
    this.#onchange = onchange;
    for (const touch of ["pointerdown", "pointerup", "keydown"]) addEventListener(touch, () => this.resume());
  }

  async play(video) {
    try {
      await video.play();
      this.forget(video);
    } catch (error) {
      if (error.name === "NotAllowedError") this.#silenced.add(video);
      this.#onchange(this.#silenced.size > 0);
    }
  }

  resume() {
    for (const video of this.#silenced) this.play(video);
  }

  forget(video) {
    this.#silenced.delete(video);
    this.#onchange(this.#silenced.size > 0);
  }
}
