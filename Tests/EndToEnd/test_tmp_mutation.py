from harness.participant import Flow, Participant
from test_calls import assert_call
import subprocess, pytest
def test_wrong_lane(start_server, new_page):
    server = start_server(lane="socket")
    assert_call(server, [Participant(new_page(), server).join("two", n) for n in "ab"], lane="xsk")
def test_loss(network, server, new_participant):
    people=[new_participant().join("two", n) for n in "ab"]
    for p in people: p.wait_for_media(2)
    rules="add table inet cut\nadd chain inet cut input { type filter hook input priority 0; policy accept; }\nadd rule inet cut input iifname eth0 udp sport 3478 udp length > 80 numgen random mod 100 < 6 drop\n"
    subprocess.run(["ip","netns","exec",network.clients.name,"nft","-f","-"],input=rules,text=True,check=True)
    Flow(people[0]).wait(90).assert_good()
