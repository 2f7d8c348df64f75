// Signs in with a passkey: one that knows its own name, or those of the operator who is named.
"use strict";
(() => {
  const form = document.getElementById("login");
  const told = document.getElementById("answer");
  const tell = (text, how) => { told.textContent = text; told.className = `answer ${how}`; };

  // Only to a plain path of the console; anything else leads to the queue.
  function whereTo() {
    const to = new URLSearchParams(location.search).get("to") ?? "";
    return /^\/console\/[A-Za-z0-9/_-]+$/.test(to) ? to : "/console/queue";
  }

  async function signIn() {
    const operator = form.elements.operator.value.trim();
    const options = await (await passkey.post("/console/login/options", operator ? { operator } : {})).json();
    tell("Your passkey is asked.", "waits");
    const assertion = await passkey.assert(passkey.decode(options.challenge), options.rp_id, options.credentials);
    await passkey.post("/console/login", { nonce: options.nonce, assertion });
    location.replace(whereTo());
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.getAttribute("aria-busy") === "true") return;
    form.setAttribute("aria-busy", "true");
    try {
      if (!passkey.isPossible()) throw new passkey.Refusal("This browser can't use passkeys at this address: it takes HTTPS, or localhost.");
      await signIn();
    } catch (error) {
      tell(passkey.words(error), "failed");
    } finally {
      form.removeAttribute("aria-busy");
    }
  });

  // A link from another site comes without the cookie; this request comes with it.
  fetch("/console/session", { cache: "no-store" })
    .then((answer) => { if (answer.ok) location.replace(whereTo()); })
    .catch(() => {});
})();
