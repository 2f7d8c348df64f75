// Does what a form asks for: <form data-act data-kind="act|approval|governance" data-method data-target>. The console states what
// would happen, this page compares that with what it shows and computes the challenge itself, a passkey signs it, and the
// signed act goes in. A session alone does nothing.
//
// A form's named fields make the body: a.b.0 nests; data-type on a field says json, lines, list, number, boolean, and omit-empty
// leaves it out when empty. On the form: data-body="none" for no body, data-content-type with a file field data-body for a file,
// data-check for where the console looks at the body beforehand, data-idempotent for a fresh Idempotency-Key, data-then for the
// page to go to ({id} from the answer), data-done for the words.
"use strict";
(() => {
  const DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"; // Crockford's base32
  const CHECKED = 32768; // bytes of a proposal that the console looks at beforehand
  const DECISIONS = { approvals: "approve", rejections: "reject", cancellation: "cancel", vetoes: "veto" };
  const refuse = (why) => { throw new passkey.Refusal(why); };

  function place(form) {
    const own = form.querySelector("[data-answer]") ?? document.getElementById("answer");
    if (own) return own;
    const made = document.createElement("p");
    made.dataset.answer = "";
    made.setAttribute("role", "status");
    form.append(made);
    return made;
  }

  function tell(form, text, how) {
    const region = place(form);
    region.className = `answer ${how}`;
    region.textContent = text;
  }

  // The fields of a form as the JSON that they are named for.
  function fields(form) {
    const body = {};
    for (const field of form.elements) {
      if (!field.name || field.disabled || field.type === "file" || field.type === "submit") continue;
      const types = (field.dataset.type ?? "").split(" ");
      const has = (type) => types.includes(type);
      if (has("boolean")) { put(body, field.name, field.checked); continue; }
      if (has("list") && field.type === "checkbox") {
        put(body, field.name, [...(at(body, field.name) ?? []), ...(field.checked ? [field.value] : [])]);
        continue;
      }
      if ((field.type === "checkbox" || field.type === "radio") && !field.checked) continue;
      const text = field.value.trim();
      if (has("omit-empty") && text === "") continue;
      put(body, field.name, typed(text, has, field));
    }
    return body;
  }

  function typed(text, has, field) {
    if (has("lines")) return text.split("\n").map((line) => line.trim()).filter(Boolean);
    if (has("number")) return Number.isSafeInteger(Number(text)) ? Number(text) : refuse(`${named(field)} has to be a whole number.`);
    if (has("json")) {
      try { return JSON.parse(text); } catch { refuse(`${named(field)} is not JSON.`); }
    }
    return has("as-is") ? field.value : text;
  }

  const named = (field) => field.labels?.[0]?.textContent.trim() || field.name;
  const at = (body, name) => name.split(".").reduce((inner, step) => inner?.[step], body);

  function put(body, name, value) {
    const steps = name.split(".");
    const last = steps.pop();
    let inner = body;
    steps.forEach((step, depth) => {
      const next = steps[depth + 1] ?? last;
      inner = inner[step] ??= /^\d+$/.test(next) ? [] : {};
    });
    inner[last] = value;
  }

  // Bytes and type of what the form sends.
  async function bodyOf(form) {
    if (form.dataset.kind !== "act" || form.dataset.method === "GET" || form.dataset.body === "none") return { bytes: new Uint8Array() };
    const file = form.querySelector("input[type=file][data-body]");
    if (file) {
      const chosen = file.files[0] ?? refuse("Choose a file first.");
      return { bytes: new Uint8Array(await chosen.arrayBuffer()), type: form.dataset.contentType ?? "application/octet-stream" };
    }
    return { bytes: new TextEncoder().encode(JSON.stringify(fields(form))), type: "application/json" };
  }

  // Of what is only read, the fields make the query.
  function targetOf(form) {
    const { method, target } = form.dataset;
    const query = method === "GET" ? new URLSearchParams(Object.entries(fields(form))).toString() : "";
    return query ? `${target}?${query}` : target;
  }

  // What this page shows of a payout: beside the form's own attributes, the text that its reader sees.
  function shown(form, name) {
    const own = form.dataset[`expect${name[0].toUpperCase()}${name.slice(1)}`];
    if (own !== undefined) return own.trim();
    const payout = form.closest("[data-withdrawal]");
    const text = payout?.querySelector(name === "code" ? "[data-code]" : `[data-shown="${name}"]`)?.textContent.trim();
    return text || refuse(`This page doesn't show the ${name}, so nothing is signed.`);
  }

  async function code(statement) {
    const { vault, withdrawal, effects, policy } = statement;
    const digest = await passkey.sha256OfJson({ domain: "custodyd/code/v1", vault, withdrawal, effects, policy });
    let bits = 0n;
    for (const byte of digest.slice(0, 10)) bits = (bits << 8n) | BigInt(byte);
    const text = Array.from({ length: 16 }, (_, digit) => DIGITS[Number((bits >> BigInt(75 - 5 * digit)) & 31n)]).join("");
    return text.match(/.{4}/g).join("-");
  }

  // Whether what is stated is what this page asked for and shows. Each line is something that a console which lies would change.
  async function compare(form, statement, asked) {
    const same = (what, stated, expected) => {
      if (stated !== expected) refuse(`The console states another ${what} than this page shows (${stated}, not ${expected}). Nothing was signed: tell your colleagues.`);
    };
    const vault = document.body.dataset.vault;
    if (vault !== undefined) same("vault", statement.vault, vault);
    const [, , , id, verb] = asked.target.split("/");
    if (asked.kind === "act") {
      same("kind of act", statement.domain, "custodyd/act/v1");
      for (const name of ["method", "target", "content_type", "idempotency_key", "body_sha256"]) same(name, statement[name], asked[name]);
      return;
    }
    same("decision", statement.decision, DECISIONS[verb]);
    if (asked.kind === "governance") {
      same("kind of act", statement.domain, "custodyd/governance/v1");
      same("proposal", statement.proposal, id);
      if (form.dataset.expectChanges !== undefined) same("change", statement.changes, form.dataset.expectChanges);
      return;
    }
    same("kind of act", statement.domain, "custodyd/approval/v1");
    same("withdrawal", statement.withdrawal, form.dataset.expectWithdrawal ?? id);
    const { network, wallet, destination, amount } = statement.effects;
    same("withdrawal", id, statement.withdrawal);
    same("network", network, shown(form, "network"));
    same("wallet", wallet, shown(form, "wallet"));
    same("destination", destination, `${network}:${shown(form, "destination").replace(`${network}:`, "")}`);
    same("amount", amount, shown(form, "amount"));
    same("code", await code(statement), shown(form, "code"));
  }

  // What is signed, in the words that its reader compares while their passkey waits for them.
  async function told(statement, asked) {
    const verb = { approve: "approve", reject: "reject", cancel: "take back", veto: "veto" }[statement.decision];
    if (asked.kind === "governance") return `Your passkey is asked: ${verb} proposal ${statement.proposal}.`;
    if (asked.kind === "act") return "Your passkey is asked.";
    const { network, destination, amount } = statement.effects;
    return `Your passkey is asked: ${verb} ${amount} to ${destination.replace(`${network}:`, "")}, code ${await code(statement)}.`;
  }

  async function perform(form) {
    const { bytes, type } = await bodyOf(form);
    // What would be refused is said before a passkey is asked for.
    if (form.dataset.check && bytes.length <= CHECKED) await passkey.post(form.dataset.check, JSON.parse(new TextDecoder().decode(bytes)));
    const asked = {
      kind: form.dataset.kind,
      method: form.dataset.method,
      target: targetOf(form),
      content_type: type,
      idempotency_key: "idempotent" in form.dataset ? crypto.randomUUID() : undefined,
      body_sha256: [...await passkey.sha256(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join(""),
    };
    const prepared = await (await passkey.post("/console/acts/prepare", asked)).json();
    const statement = prepared.stated[asked.kind] ?? refuse("The console states something else than was asked for. Nothing was signed.");
    const { operator } = document.body.dataset;
    if (statement.operator !== operator) refuse(`This page is ${operator}'s, and ${statement.operator} is signed in here now. Nothing was signed. Load the page again.`);
    await compare(form, statement, asked);
    if (prepared.credentials.length === 0) refuse("You have no passkey that counts here any more. Ask for an invitation.");
    const challenge = await passkey.sha256OfJson(statement);
    if (passkey.encode(challenge) !== prepared.challenge) refuse("The console's challenge is not the hash of what it states. Nothing was signed: tell your colleagues.");
    tell(form, await told(statement, asked), "waits");
    const assertion = await passkey.assert(challenge, prepared.rp_id, prepared.credentials);
    tell(form, "Signed. Waiting for the answer.", "waits");
    return passkey.post("/console/acts", { stated: prepared.stated, body: passkey.base64(bytes), assertion });
  }

  // Where the answer will be of an act that was handed in, and that nothing has come of yet. A 202 without it is an answer.
  function pending(answer) {
    const where = answer.status === 202 ? answer.headers.get("location") : null;
    return where?.startsWith("/console/acts/") ? where : null;
  }

  // An answer that took longer than its request is asked for until it is there, or a minute has gone.
  async function settled(answer) {
    for (let round = 0; pending(answer) && round < 60; round += 1) {
      await new Promise((next) => { setTimeout(next, 1000); });
      const next = await fetch(pending(answer), { cache: "no-store" }).catch(() => null);
      // Not to be told of an answer is none.
      if (!next || [401, 429, 503].includes(next.status)) continue;
      if (!next.ok) refuse(await passkey.said(next));
      answer = next;
    }
    return answer;
  }

  // Where what came of an act will be seen.
  function whereTo(target) {
    const [, , kind, id] = target.split("/");
    switch (kind) {
      case "withdrawals": return id ? `/console/withdrawals/${id}` : "/console/withdrawals";
      case "proposals": return id ? `/console/governance/${id}` : "/console/governance";
      case "freeze": case "unfreeze": return "/console/freeze";
      case "cold": return "/console/cold";
      default: return `/console/journal?by=operator/${document.body.dataset.operator}`;
    }
  }

  function unanswered(form) {
    tell(form, "It was handed in and is NOT in effect yet: the vault has not answered. Don't repeat it. ", "waits");
    const link = document.createElement("a");
    link.href = whereTo(form.dataset.target);
    link.textContent = "Look here whether it took effect";
    place(form).append(link);
  }

  async function finish(form, answer) {
    if (pending(answer)) {
      unanswered(form);
      return;
    }
    const disposition = answer.headers.get("content-disposition");
    if (disposition) {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(await answer.blob());
      link.download = disposition.match(/filename="([^"]+)"/)?.[1] ?? "export";
      link.click();
      setTimeout(() => { URL.revokeObjectURL(link.href); }, 60000);
      tell(form, `Saved as ${link.download}.`, "done");
      return;
    }
    const document_ = await answer.json().catch(() => ({}));
    const state = typeof document_.state === "string" ? ` It is now ${document_.state.replaceAll("_", " ")}.` : "";
    tell(form, `${form.dataset.done ?? "Done."}${state}`, "done");
    form.reset();
    ended(form, "custodyd:acted", document_);
    if (form.dataset.then) location.assign(form.dataset.then.replace("{id}", encodeURIComponent(document_.id ?? "")));
  }

  const ended = (form, how, detail) => form.dispatchEvent(new CustomEvent(how, { bubbles: true, detail }));

  async function act(form, pressed) {
    if (form.getAttribute("aria-busy") === "true") return;
    if ("moved" in form.dataset) {
      tell(form, "The page changed just before you pressed, so the press was not taken. Look again at what you decide on.", "failed");
      return;
    }
    form.setAttribute("aria-busy", "true");
    const buttons = [...form.querySelectorAll("button")].filter((button) => !button.disabled);
    buttons.forEach((button) => { button.disabled = true; });
    try {
      if (!passkey.isPossible()) refuse("This browser can't use passkeys at this address: it takes HTTPS, or localhost.");
      tell(form, "Comparing what is stated with what you see.", "waits");
      await finish(form, await settled(await perform(form)));
    } catch (error) {
      tell(form, passkey.words(error), "failed");
      ended(form, "custodyd:refused");
    } finally {
      form.removeAttribute("aria-busy");
      buttons.forEach((button) => { button.disabled = false; });
      // A button that is disabled loses the focus; whoever uses the keyboard goes on from where they were.
      if (document.activeElement === document.body) (pressed?.isConnected ? pressed : document.getElementById("main"))?.focus({ preventScroll: true });
    }
  }

  document.addEventListener("submit", (event) => {
    const form = event.target.closest?.("form[data-act]");
    if (!form) return;
    event.preventDefault();
    act(form, event.submitter);
  });
})();
