// What a few pages need beside acts: a button that asks the console to look into something, a file that fills a field, and the
// key of an invitation, whose secret half never leaves this browser but in the link that it is shown as.
"use strict";
(() => {
  const DAY_MS = 86400000;
  const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");

  // <form data-ask="/console/…">: looks, and changes nothing. Then the page is fetched anew.
  async function ask(form) {
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      const answer = await fetch(form.dataset.ask, { method: "POST", headers: { "content-type": "application/json" }, body: "{}" });
      if (!answer.ok) throw new Error((await answer.text()).slice(0, 300));
      location.reload();
    } catch (error) {
      button.disabled = false;
      const region = document.getElementById("answer");
      region.className = "answer failed";
      region.textContent = error.message;
    }
  }

  // <form data-invite>: makes the key pair before the form is sent. Gives the secret as the link's fragment has it.
  async function invite(form) {
    // A form takes no other submission before all heard of this one (HTML, "firing submission events"), and keys are made sooner.
    await new Promise((next) => { setTimeout(next); });
    const pair = await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"]);
    const [secret, open] = await Promise.all([
      crypto.subtle.exportKey("jwk", pair.privateKey),
      crypto.subtle.exportKey("raw", pair.publicKey),
    ]);
    form.elements["changes.0.invitation"].value = hex(new Uint8Array(open));
    form.elements["changes.0.until"].value = Date.now() + Number(form.querySelector("[data-days]").value) * DAY_MS;
    return secret.d;
  }

  document.addEventListener("submit", (event) => {
    const form = event.target.closest?.("form");
    if (form?.dataset.ask) {
      event.preventDefault();
      ask(form);
      return;
    }
    if (!form || !("invite" in form.dataset) || form.dataset.ready === "1") return;
    event.preventDefault();
    event.stopImmediatePropagation();
    invite(form).then((secret) => {
      const shown = form.querySelector(".invitation");
      const answered = new AbortController();
      form.addEventListener("custodyd:acted", () => {
        answered.abort();
        shown.querySelector("output").textContent = `${location.origin}/console/enrol#${secret}`;
        shown.hidden = false;
      }, { signal: answered.signal });
      form.addEventListener("custodyd:refused", () => answered.abort(), { signal: answered.signal });
      form.dataset.ready = "1";
      form.requestSubmit();
      delete form.dataset.ready;
    }, () => { form.querySelector(".invitation-fault").hidden = false; });
  }, true);

  document.addEventListener("change", async (event) => {
    const field = event.target;
    if (!field.dataset?.fill || !field.files?.[0]) return;
    field.form.elements[field.dataset.fill].value = await field.files[0].text();
  });
})();
