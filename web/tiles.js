// The participants as tiles: who is shown, in what size, and the numbers on top.

const gap = 10;
const widest = 16 / 9;

export class Tiles {
  #floor;
  #stage;
  #grid;
  #playback;
  #tiles = new Map();

  constructor({ floor, stage, grid, playback }) {
    this.#floor = floor;
    this.#stage = stage;
    this.#grid = grid;
    this.#playback = playback;
    new ResizeObserver(() => this.#arrange()).observe(grid);
  }

  // Brings the tiles in line with the room: one per person, one more per shared screen.
  show(room, published) {
    const wanted = [...ownTiles(room.self, published), ...[...room.participants.values()].flatMap(theirTiles)];
    for (const [key, tile] of this.#tiles) {
      if (wanted.some((one) => one.key === key)) continue;
      this.#remove(key, tile);
    }
    for (const one of wanted) {
      const tile = this.#tiles.get(one.key) ?? this.#make(one);
      this.#update(tile, one);
      const isHeard = room.state === "connected" && !one.isSilent && !one.isScreen;
      tile.element.classList.toggle("speaking", isHeard && room.speakers.includes(one.participant));
    }
    const isPresenting = wanted.some(({ isScreen }) => isScreen);
    this.#stage.hidden = !isPresenting;
    this.#floor.classList.toggle("presenting", isPresenting);
    this.#arrange();
  }

  clear() {
    for (const [key, tile] of this.#tiles) this.#remove(key, tile);
  }

  // `statistics`: what Room.stats() returned.
  showFigures(statistics) {
    for (const tile of this.#tiles.values()) {
      const of = (kind) => statistics.find(({ track, kind: k }) => k === kind && tile.tracks.includes(track));
      const video = tile.showsVideo ? of("video") : undefined;
      const audio = of("audio");
      tile.figures.replaceChildren(...figures(video, audio).flatMap(([name, value, note]) => {
        const [dt, dd] = [document.createElement("dt"), document.createElement("dd")];
        dt.textContent = name;
        dd.textContent = value;
        dd.className = note === "bad" ? "bad" : "";
        if (note && note !== "bad") dd.title = note;
        return [dt, dd];
      }));
    }
  }

  #make({ key, name, isSelf, isScreen }) {
    const element = document.createElement("article");
    element.className = `tile${isSelf ? " self" : ""}${isScreen ? " screen" : ""}`;
    element.setAttribute("role", "listitem");
    element.dataset.name = name;
    const video = document.createElement("video");
    video.autoplay = video.playsInline = true;
    video.muted = isSelf; // never play one's own sound
    const avatar = document.createElement("div");
    avatar.className = "avatar";
    avatar.innerHTML = "<span aria-hidden='true'></span>";
    avatar.firstChild.textContent = initials(name);
    avatar.firstChild.style.setProperty("--hue", hue(name));
    const figures = document.createElement("dl");
    figures.className = "figures";
    const caption = document.createElement("div");
    caption.className = "caption";
    caption.innerHTML = "<svg role='img' aria-label='microphone off'><use href='#icon-microphone-off'/></svg><span></span>";
    element.append(video, avatar, figures, caption);
    const tile = { element, video, figures, caption: caption.lastChild, tracks: [], showsVideo: false };
    for (const event of ["loadeddata", "resize", "emptied", "playing"]) video.addEventListener(event, () => this.#reveal(tile));
    (isScreen ? this.#stage : this.#grid).append(element);
    this.#tiles.set(key, tile);
    return tile;
  }

  #update(tile, { name, isSelf, isScreen, video, audio, tracks, isSilent }) {
    tile.tracks = tracks;
    tile.showsVideo = Boolean(video);
    this.#play(tile, [video, isSelf ? null : audio].filter(Boolean));
    tile.element.classList.toggle("silent", isSilent && !isScreen);
    const who = isSelf ? `${name} (you)` : name;
    tile.caption.textContent = isScreen ? `${who} · screen` : who;
    tile.element.setAttribute("aria-label", describe(who, { isScreen, video, isSilent }));
    this.#reveal(tile);
  }

  #play(tile, media) {
    const current = tile.video.srcObject?.getTracks() ?? [];
    if (current.length === media.length && media.every((track) => current.includes(track))) return;
    tile.video.srcObject = media.length > 0 ? new MediaStream(media) : null;
    if (media.length > 0) this.#playback.play(tile.video);
  }

  #remove(key, { element, video }) {
    this.#playback.forget(video);
    element.remove();
    this.#tiles.delete(key);
  }

  #reveal({ element, video, showsVideo }) {
    element.classList.toggle("live", showsVideo && video.videoWidth > 0);
  }

  // The largest tiles that fit. Cameras are wide: only where everybody has to fit on an upright screen are the tiles upright.
  #arrange() {
    const { clientWidth: width, clientHeight: height } = this.#grid;
    const tallest = height > width && this.#stage.hidden ? 3 / 4 : 4 / 3;
    const count = this.#grid.childElementCount;
    let best = { area: 0, width: 0, height: 0 };
    for (let columns = 1; columns <= count; columns += 1) {
      const rows = Math.ceil(count / columns);
      const cell = { width: (width - gap * (columns - 1)) / columns, height: (height - gap * (rows - 1)) / rows };
      const tile = { width: Math.min(cell.width, cell.height * widest), height: Math.min(cell.height, cell.width / tallest) };
      tile.area = tile.width * tile.height;
      if (tile.area > best.area) best = tile;
    }
    this.#grid.style.setProperty("--tile-width", `${Math.floor(best.width)}px`);
    this.#grid.style.setProperty("--tile-height", `${Math.floor(best.height)}px`);
  }
}

function ownTiles(self, published) {
  const tile = (isScreen) => {
    const [video, audio] = [published.get(isScreen ? "screen" : "camera"), published.get(isScreen ? "screen-audio" : "microphone")];
    return {
      key: isScreen ? "self screen" : "self", participant: self.id, name: self.name, isSelf: true, isScreen, isSilent: !audio || audio.muted,
      video: video?.muted ? null : video?.media, audio: null, tracks: [video?.id, audio?.id],
    };
  };
  return isSeen(published.get("screen")) ? [tile(false), tile(true)] : [tile(false)];
}

function theirTiles({ id, name, tracks }) {
  const all = [...tracks.values()];
  const tile = (isScreen) => {
    const find = (kind) => all.find((track) => track.kind === kind && Boolean(track.label?.startsWith("screen")) === isScreen);
    const [video, audio] = [find("video"), find("audio")];
    return {
      key: isScreen ? `${id} screen` : id, participant: id, name, isSelf: false, isScreen, isSilent: !audio || audio.muted,
      video: video?.muted ? null : video?.media, audio: audio?.media, tracks: [video?.id, audio?.id],
    };
  };
  return isSeen(all.find(({ label }) => label === "screen")) ? [tile(false), tile(true)] : [tile(false)];
}

// A muted screen gets no stage: there is nothing on it.
const isSeen = (screen) => Boolean(screen) && !screen.muted;

// Rows of the overlay: name, value, and what is to be said about it.
function figures(video, audio) {
  const main = video ?? audio;
  if (!main) return [];
  const rows = [];
  if (video?.width) rows.push(["size", `${video.width}×${video.height}`]);
  if (video) rows.push(["rate", `${Math.round(video.framesPerSecond ?? 0)} fps`]);
  rows.push(["bits", bitrate((video?.bitsPerSecond ?? 0) + (audio?.bitsPerSecond ?? 0))]);
  rows.push(loss([video, audio].filter(Boolean)));
  rows.push(...repairs(video, audio));
  rows.push(["codec", [video?.codec, audio?.codec].filter(Boolean).join(" + ") || "–"]);
  rows.push(["lane", main.lane ?? "–", main.laneReason || undefined]);
  return rows;
}

// What did not come by itself → what did not come at all, of each stream, or once where it is the same of both.
function loss(streams) {
  const lost = streams.map(losses);
  const values = lost.map(({ before, left }) => (before > left ? `${percent(before)} → ${percent(left)}` : percent(left)));
  return ["loss", [...new Set(values)].join(" + "), lost.some(({ left }) => left > 0.02) ? "bad" : undefined];
}

// Of what one sends the server knows, over ten seconds.
function losses({ direction, loss, lossAfterRepair, serverLoss, serverLossAfterRepair }) {
  const [before, after] = direction === "send" ? [serverLoss ?? loss, serverLossAfterRepair] : [loss, lossAfterRepair];
  return { before, left: after ?? before };
}

// What was done about losses since the stream began, as far as anything was.
function repairs(video, audio) {
  const rows = [];
  if (video?.packetsRepaired > 0) {
    const asked = `asked ${video.nacks ?? 0} times, and ${video.keyFrameRequests ?? 0} times for a key frame`;
    rows.push(["repaired", `${video.packetsRepaired} packets`, asked]);
  }
  if (video?.freezes > 0) rows.push(["frozen", `${video.freezes} times, ${(video.freezeSeconds ?? 0).toFixed(1)} s`]);
  if (audio?.concealment > 0.001) {
    rows.push(["concealed", `${percent(audio.concealment)} of the sound`, audio.concealment > 0.05 ? "bad" : undefined]);
  }
  return rows;
}

const percent = (share) => `${(share * 100).toFixed(1)} %`;
const bitrate = (bits) => (bits >= 1e6 ? `${(bits / 1e6).toFixed(1)} Mbit/s` : `${Math.round(bits / 1e3)} kbit/s`);
const initials = (name) => name.split(/\s+/).slice(0, 2).map((word) => [...word][0] ?? "").join("").toUpperCase();
const hue = (name) => [...name].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 360, 7);

function describe(who, { isScreen, video, isSilent }) {
  if (isScreen) return `Screen of ${who}`;
  return `${who}, camera ${video ? "on" : "off"}, microphone ${isSilent ? "off" : "on"}`;
}
