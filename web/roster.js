// The others in the room and what they publish, as the server tells it.
export class Roster {
  // By id: {id, name, tracks: Map of track id → {id, kind, label, codecs, muted, media, participant}}.
  participants = new Map();
  #emit;
  #mediaOf;

  // `emit(type, detail)` is called for each change; `mediaOf(id)` is the MediaStreamTrack that carries a track, or null.
  constructor({ emit, mediaOf }) {
    this.#emit = emit;
    this.#mediaOf = mediaOf;
  }

  // After joining again: the list is the truth, whatever was known before.
  replace(list) {
    for (const id of [...this.participants.keys()]) this.left(id);
    for (const participant of list) this.arrived(participant);
  }

  arrived({ id, name, tracks }) {
    if (this.participants.has(id)) return;
    const participant = { id, name, tracks: new Map() };
    this.participants.set(id, participant);
    this.#emit("participantjoined", { participant });
    for (const track of tracks) this.#add(participant, track);
  }

  left(id) {
    const participant = this.participants.get(id);
    if (!participant) return;
    for (const track of participant.tracks.values()) this.#remove(participant, track);
    this.participants.delete(id);
    this.#emit("participantleft", { participant });
  }

  // A `track` message about someone else's track.
  changed({ event, participant: id, track: info }) {
    const participant = this.participants.get(id);
    if (!participant) return;
    if (event === "added") return this.#add(participant, info);
    const track = participant.tracks.get(info.id);
    if (!track) return;
    if (event === "removed") return this.#remove(participant, track);
    track.muted = info.muted;
    this.#emit(info.muted ? "trackmuted" : "trackunmuted", { participant, track });
  }

  // What carries the tracks may have changed.
  attachMedia() {
    for (const participant of this.participants.values()) {
      for (const track of participant.tracks.values()) {
        const media = this.#mediaOf(track.id);
        if (media === track.media) continue;
        track.media = media;
        this.#emit("trackmedia", { participant, track });
      }
    }
  }

  track(id) {
    for (const { tracks } of this.participants.values()) if (tracks.has(id)) return tracks.get(id);
  }

  #add(participant, info) {
    const known = participant.tracks.get(info.id);
    if (known) return this.#relabel(participant, known, info.label);
    const track = { ...info, participant: participant.id, media: this.#mediaOf(info.id) };
    participant.tracks.set(track.id, track);
    this.#emit("trackadded", { participant, track });
  }

  // A track that is added again has another label.
  #relabel(participant, track, label) {
    if (track.label === label) return;
    track.label = label;
    this.#emit("tracklabelled", { participant, track });
  }

  #remove(participant, track) {
    participant.tracks.delete(track.id);
    this.#emit("trackremoved", { participant, track });
  }
}
