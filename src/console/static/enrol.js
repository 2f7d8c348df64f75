// Makes a passkey for who was invited. The link's secret stands in its fragment, which the browser sends to nobody; it is taken out
// of the address bar at once, posted to the console, and kept nowhere else.
"use strict";
(() => {
  const form = document.getElementById("enrol");
  const told = document.getElementById("answer");
  const tell = (text, how) => { told.textContent = text; told.className = `answer ${how}`; };
  const secret = location.hash.slice(1);
  let invited;

  async function start() {
    if (!passkey.isPossible()) throw new passkey.Refusal("This browser can't make passkeys at this address: it takes HTTPS, or localhost.");
    if (!/^[A-Za-z0-9_-]{43}$/.test(secret)) throw new passkey.Refusal("This link is not whole. Copy all of it, with what stands after #.");
    invited = await (await passkey.post("/console/enrol/start", { secret })).json();
    document.getElementById("operator").textContent = invited.operator;
    document.getElementById("until").textContent = new Date(invited.until).toLocaleString();
    document.getElementById("count").textContent = invited.exclude.length === 0 ? "your first passkey here" : "one more passkey";
    form.hidden = false;
  }

  async function enrol() {
    const { challenge, rp_id, user, operator, vault, exclude } = invited;
    const made = await navigator.credentials.create({
      publicKey: {
        challenge: passkey.decode(challenge),
        rp: { id: rp_id, name: `custodyd, vault ${vault}` },
        user: { id: passkey.decode(user), name: operator, displayName: operator },
        pubKeyCredParams: [{ type: "public-key", alg: -7 }, { type: "public-key", alg: -8 }],
        authenticatorSelection: { residentKey: "preferred", userVerification: "required" },
        attestation: "none",
        excludeCredentials: exclude.map((id) => ({ type: "public-key", id: passkey.decode(id) })),
        timeout: 240000,
      },
    });
    await passkey.post("/console/enrol", {
      nonce: invited.nonce,
      secret,
      registration: {
        client_data: passkey.encode(made.response.clientDataJSON),
        attestation: passkey.encode(made.response.attestationObject),
      },
    });
    form.hidden = true;
    document.getElementById("enrolled").hidden = false;
    document.querySelector("#enrolled a").focus();
    tell(`Your passkey counts from now on, as ${operator}'s.`, "done");
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.getAttribute("aria-busy") === "true") return;
    form.setAttribute("aria-busy", "true");
    tell("Your authenticator is asked for a new passkey.", "waits");
    try {
      await enrol();
    } catch (error) {
      tell(passkey.words(error), "failed");
      // A challenge is good once. Where there is no other, what the console said first is why: it may have the passkey already.
      await start().catch((again) => {
        form.hidden = true;
        if (!(error instanceof passkey.Refusal)) tell(passkey.words(again), "failed");
      });
    } finally {
      form.removeAttribute("aria-busy");
    }
  });

  history.replaceState(null, "", location.pathname);
  start().catch((error) => { tell(passkey.words(error), "failed"); });
})();
