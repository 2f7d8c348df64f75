// What the pages that ask a passkey share: bytes as text, hashes, requests to the console, and words for what went wrong.
"use strict";
const passkey = (() => {
  // An ArrayBuffer or bytes as base64url without padding, and back.
  function encode(buffer) {
    return base64(buffer).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  }

  function decode(text) {
    const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
  }

  function base64(buffer) {
    const bytes = new Uint8Array(buffer);
    let text = "";
    for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
    return btoa(text);
  }

  // RFC 8785: members sorted by their UTF-16 units, no spaces. Only strings, integers, booleans and null occur, which JSON.stringify
  // writes as the RFC has them.
  function canonical(value) {
    if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
    if (value === null || typeof value !== "object") return JSON.stringify(value);
    return `{${Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(",")}}`;
  }

  async function sha256(bytes) {
    return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  }

  const sha256OfJson = (value) => sha256(new TextEncoder().encode(canonical(value)));

  // A refusal that its reader is told in these words.
  class Refusal extends Error {}

  async function post(path, body) {
    const answer = await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      redirect: "error",
      cache: "no-store",
    });
    if (!answer.ok) throw new Refusal(await said(answer));
    return answer;
  }

  // A problem document in words.
  async function said(answer) {
    const problem = await answer.json().catch(() => ({}));
    const kind = String(problem.type ?? "").replace("urn:custodyd:problem:", "");
    if (answer.status === 401 && kind === "unauthenticated") return `${problem.detail}.`;
    if (answer.status === 429) return `Too many attempts. Wait ${answer.headers.get("retry-after") ?? "a few"} seconds and try again.`;
    if (kind === "statement-expired") return "It took too long, so nothing was done. Try again.";
    if (kind === "passkey-copied") return "This passkey may have been copied, so it counts no longer. Tell your colleagues, and have it revoked.";
    return problem.title ? `${problem.title}: ${problem.detail}.` : `The console answered ${answer.status}.`;
  }

  // Asks an authenticator for its word on 32 bytes.
  async function assert(challenge, rpId, credentials) {
    const given = await navigator.credentials.get({
      publicKey: {
        challenge,
        rpId,
        allowCredentials: credentials.map((id) => ({ type: "public-key", id: decode(id) })),
        userVerification: "required",
        timeout: 120000,
      },
    });
    return {
      credential: encode(given.rawId),
      authenticator_data: encode(given.response.authenticatorData),
      client_data: encode(given.response.clientDataJSON),
      signature: encode(given.response.signature),
    };
  }

  // What went wrong, for people.
  function words(error) {
    if (error instanceof Refusal) return error.message;
    switch (error?.name) {
      case "NotAllowedError":
        return "Nothing was signed: it was cancelled, took too long, or none of your passkeys is at hand. Try again.";
      case "InvalidStateError":
        return "This authenticator holds a passkey of yours already. Use another one.";
      case "NotSupportedError":
        return "This authenticator can't make such a key.";
      case "SecurityError":
        return "The browser refuses passkeys at this address. Open the console under its own name.";
      case "AbortError":
        return "It was cancelled. Nothing was signed.";
      case "TypeError":
        return "The console does not answer. Nothing was done, as far as this page knows; look again before you repeat it.";
      default:
        return "Something unexpected happened in this page. Nothing was signed.";
    }
  }

  const isPossible = () => Boolean(window.crypto?.subtle && window.PublicKeyCredential);

  return Object.freeze({ encode, decode, base64, canonical, sha256, sha256OfJson, Refusal, post, said, assert, words, isPossible });
})();
