// What RTCPeerConnection.getStats says, per track, and the server with it, as the numbers that people and tests look at.

const shortestInterval = 900; // milliseconds between the two samples that a rate is taken from

export class Statistics {
  #publisher;
  #subscriber;
  #roster;
  #samples = new Map();
  // Direction and track id → what the server says of it: {lane, laneReason, loss, lossAfterRepair}.
  #quality = new Map();

  constructor({ publisher, subscriber, roster }) {
    this.#publisher = publisher;
    this.#subscriber = subscriber;
    this.#roster = roster;
  }

  // One entry per sent and received track. `self` is one's own id.
  async all(self) {
    const sent = new Map([...this.#publisher.sources.values()].map((source) => [source.transceiver?.mid, source]));
    const received = new Map([...this.#subscriber.receiving].map(([id, transceiver]) => [transceiver.mid, id]));
    const entries = await Promise.all([
      this.#of(this.#publisher.connection, ({ mid }) => {
        const source = sent.get(mid);
        return source?.id && this.#owner("send", self, source);
      }),
      this.#of(this.#subscriber.connection, ({ mid }) => {
        const track = this.#roster.track(received.get(mid));
        return track && this.#owner("receive", track.participant, track);
      }),
    ]);
    return entries.flat();
  }

  // The server's `quality`: of the tracks where it changed.
  told(tracks) {
    for (const quality of tracks) this.#quality.set(`${quality.direction} ${quality.track}`, quality);
  }

  // A track that was received is no more.
  ended(id) {
    this.#quality.delete(`receive ${id}`);
  }

  forget() {
    this.#samples.clear();
    this.#quality.clear();
  }

  #owner(direction, participant, { id, label }) {
    const { lane = null, laneReason = null, loss = null, lossAfterRepair = null } = this.#quality.get(`${direction} ${id}`) ?? {};
    return { participant, track: id, label, lane, laneReason, serverLoss: loss, serverLossAfterRepair: lossAfterRepair };
  }

  // One entry per RTP stream of `connection` whose report, getStats', `find` recognises: it returns what the entry is to be
  // extended with, or nothing.
  async #of(connection, find) {
    if (!connection) return [];
    const reports = await connection.getStats();
    const entries = [];
    for (const report of reports.values()) {
      if (report.type !== "inbound-rtp" && report.type !== "outbound-rtp") continue;
      const owner = find(report);
      if (owner) entries.push({ ...owner, ...this.#describe(report, reports, owner.track) });
    }
    return entries;
  }

  #describe(report, reports, track) {
    const inbound = report.type === "inbound-rtp";
    const remote = reports.get(report.remoteId);
    const bytes = inbound
      ? report.bytesReceived + (report.headerBytesReceived ?? 0)
      : report.bytesSent + (report.headerBytesSent ?? 0);
    const packets = (inbound ? report.packetsReceived : report.packetsSent) ?? 0;
    const packetsLost = (inbound ? report.packetsLost : remote?.packetsLost) ?? 0;
    const frames = (inbound ? report.framesDecoded : report.framesEncoded) ?? 0;
    const packetsRepaired = (inbound ? report.retransmittedPacketsReceived : report.retransmittedPacketsSent) ?? null;
    // What was made up for sound that did not come, silence left out.
    const concealed = (report.concealedSamples ?? 0) - (report.silentConcealedSamples ?? 0);
    const samples = report.totalSamplesReceived ?? 0;
    const before = this.#before(`${report.type} ${track}`, {
      at: report.timestamp, bytes, packets, packetsLost, frames, packetsRepaired, concealed, samples,
    });
    const seconds = before ? (report.timestamp - before.at) / 1000 : 0;
    const rate = (value, earlier) => (seconds > 0 ? Math.max(0, value - earlier) / seconds : null);
    const lost = before ? Math.max(0, packetsLost - before.packetsLost) : 0;
    // Packets sent again count among the packets, and are of those that were lost before.
    const repaired = before ? Math.max(0, packetsRepaired - before.packetsRepaired) : 0;
    const expected = before ? packets - before.packets - repaired + (inbound ? lost : 0) : 0;
    const share = (count, all) => (all > 0 ? Math.min(1, Math.max(0, count / all)) : 0);
    return {
      direction: inbound ? "receive" : "send",
      kind: report.kind,
      codec: reports.get(report.codecId)?.mimeType?.split("/")[1] ?? null,
      width: report.frameWidth ?? null,
      height: report.frameHeight ?? null,
      framesPerSecond: report.kind === "video" ? (report.framesPerSecond ?? rate(frames, before?.frames)) : null,
      bitsPerSecond: before ? rate(bytes * 8, before.bytes * 8) : null,
      loss: share(lost, expected),
      lossAfterRepair: inbound && packetsRepaired !== null ? share(lost - repaired, expected) : null,
      roundTripTime: remote?.roundTripTime ?? null,
      jitter: (inbound ? report.jitter : remote?.jitter) ?? null,
      packets,
      packetsLost,
      packetsRepaired,
      frames,
      framesDropped: report.framesDropped ?? 0,
      keyFrames: (inbound ? report.keyFramesDecoded : report.keyFramesEncoded) ?? null,
      freezes: report.freezeCount ?? null,
      freezeSeconds: report.totalFreezesDuration ?? null,
      concealment: before && inbound && report.kind === "audio" ? share(concealed - before.concealed, samples - before.samples) : null,
      concealedSamples: report.concealedSamples ?? null,
      silentConcealedSamples: report.silentConcealedSamples ?? null,
      totalSamplesReceived: report.totalSamplesReceived ?? null,
      nacks: report.nackCount ?? null,
      keyFrameRequests: report.pliCount ?? null,
    };
  }

  // The sample to compare with: the latest that is old enough for a steady rate, however often statistics are asked for.
  #before(key, sample) {
    const known = this.#samples.get(key);
    if (!known || sample.bytes < known.latest.bytes) {
      this.#samples.set(key, { latest: sample, previous: null });
      return null;
    }
    if (sample.at - known.latest.at >= shortestInterval) {
      this.#samples.set(key, { latest: sample, previous: known.latest });
      return known.latest;
    }
    return known.previous;
  }
}
