import subprocess
from harness.participant import Participant
from harness.waiting import wait_for
from harness.network import SERVER_ADDRESS, CLIENT_ADDRESS
def test_xsk(server, new_page, network, tmp_path):
    server.admin("/rtp", {"room": "x", "name": "cam", "direction": "send", "remote": CLIENT_ADDRESS + ":5604", "codec": "vp8", "payloadType": 96})
    server.admin("/rtp", {"room": "x", "name": "rec", "direction": "receive", "remote": CLIENT_ADDRESS + ":5704", "codec": "vp8", "payloadType": 96})
    sdp = tmp_path / "r.sdp"; sdp.write_text(server.admin("/rtp/sdp?room=x&name=rec")["sdp"])
    p = subprocess.Popen(["ip", "netns", "exec", network.clients.name, "timeout", "30", "gst-launch-1.0", "-q", "videotestsrc", "is-live=true", "!", "video/x-raw,width=320,height=240", "!", "vp8enc", "deadline=1", "keyframe-max-dist=15", "!", "rtpvp8pay", "!", "udpsink", f"host={SERVER_ADDRESS}", "port=3478", "bind-port=5604"])
    try:
        Participant(new_page(), server).join("x", "Ada", quality=None, microphone=False).wait_for_media(1)
        out = subprocess.run(["ip", "netns", "exec", network.clients.name, "timeout", "15", "ffprobe", "-hide_banner", "-protocol_whitelist", "file,udp,rtp", str(sdp)], capture_output=True, text=True).stderr
        assert "Video: vp8" in out, out
        s = server.admin("/streams")
        print([(x["name"], x["packetsOnXSK"], x["packetsOnSocket"], x["lane"], x["laneReason"]) for k in ("sources", "sinks") for x in s[k]])
    finally:
        p.kill(); p.wait()
