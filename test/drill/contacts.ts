// Visitors who leave their contact: name, address, and the code from the mail that the drill's own mail server took.
import { setTimeout as sleep } from 'node:timers/promises';
import { accepted, type Caller, patienceMs, persist } from './client.ts';
import type { Contact } from './ledger.ts';
import { codesIn, type Mailbox } from './mailbox.ts';

/** Leaves contacts until the signal is aborted, then finishes what it has begun. */
export async function runContact(
  caller: Caller & { mailbox: Mailbox },
  name: string,
  stop: AbortSignal,
): Promise<void> {
  const { random, ledger, mailbox } = caller;
  for (let n = 0; !stop.aborted; n += 1) {
    const contact: Contact = {
      address: `${name}-${n}@visitors.example`,
      name: 'Lamp Buyer',
      sessionId: undefined,
      verified: false,
      complaint: undefined,
    };
    ledger.contacts.push(contact);
    try {
      // A session that nobody was told of is nobody's: another call begins another one.
      const { json } = await persist(() => say(caller, {}));
      contact.sessionId = json.sessionId;
      const { sessionId } = json;
      await persist(() => say(caller, { sessionId, message: contact.name }));
      await persist(() => say(caller, { sessionId, message: contact.address }));
      const otp = await codeFor(mailbox, contact.address);
      const path = '/assistant/verify-otp';
      const last = await persist(() => accepted(caller, { method: 'POST', path, body: { sessionId, otp } }));
      if (last.json.stage !== 'ready') throw new Error(`the right code led to ${last.json.stage}`);
      contact.verified = true;
    } catch (error) {
      contact.complaint = (error as Error).message;
    }
    await sleep(random.between(1_000, 6_000), undefined, { signal: stop }).catch(() => {});
  }
}

const say = (caller: Caller, body: object) =>
  accepted(caller, { method: 'POST', path: '/assistant/chat', body });

async function codeFor(mailbox: Mailbox, address: string): Promise<string> {
  const end = Date.now() + patienceMs;
  for (;;) {
    const code = codesIn(mailbox, address).at(-1);
    if (code !== undefined) return code;
    if (Date.now() > end) throw new Error(`no code arrived within ${patienceMs / 1000} s`);
    await sleep(100);
  }
}
