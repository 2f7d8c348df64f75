// Computes each payout's short code again, from what this page shows, and says whether it is the one that is shown. The code is
// the first 80 bits of SHA-256 over {domain, vault, withdrawal, effects, policy} as canonical JSON (RFC 8785).
"use strict";
(() => {
  const DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"; // Crockford's base32

  // All members are strings of ASCII, so that sorted keys without spaces are the canonical form.
  function canonical(value) {
    if (typeof value === "string") return JSON.stringify(value);
    return `{${Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(",")}}`;
  }

  async function code(stated) {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(canonical(stated))));
    let bits = 0n;
    for (const byte of digest.slice(0, 10)) bits = (bits << 8n) | BigInt(byte);
    const text = Array.from({ length: 16 }, (_, place) => DIGITS[Number((bits >> BigInt(75 - 5 * place)) & 31n)]).join("");
    return text.match(/.{4}/g).join("-");
  }

  const shown = (payout, name) => payout.querySelector(`[data-shown="${name}"]`)?.textContent.trim() ?? "";

  async function check(payout) {
    const place = payout.querySelector("[data-code]");
    if (!place) return;
    const network = shown(payout, "network");
    const computed = await code({
      domain: "custodyd/code/v1",
      vault: document.body.dataset.vault,
      withdrawal: payout.id,
      policy: place.closest("[data-policy]")?.dataset.policy ?? "",
      effects: {
        network,
        wallet: shown(payout, "wallet"),
        destination: `${network}:${shown(payout, "destination")}`,
        amount: shown(payout, "amount"),
      },
    });
    const right = computed === place.textContent.trim();
    place.closest(".code").querySelector("[data-check]")?.remove();
    const note = document.createElement("span");
    note.dataset.check = "";
    note.className = right ? "checked" : "wrong";
    note.textContent = right ? " ✓ computed here" : ` ✕ what is shown gives ${computed}: don't decide`;
    place.closest(".code").append(note);
    if (!right) payout.querySelectorAll("form[data-act] button").forEach((button) => { button.disabled = true; });
  }

  const checkAll = (root) => root.querySelectorAll("[data-withdrawal]").forEach((payout) => { check(payout); });

  // Browsers compute hashes only where the page came over TLS or from this very machine.
  if (!window.crypto?.subtle) return;
  checkAll(document);
  document.addEventListener("custodyd:swapped", (event) => {
    const part = event.detail;
    const around = part.closest("[data-withdrawal]");
    if (around) check(around);
    else checkAll(part);
  });
})();
