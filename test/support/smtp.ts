import { SMTPServer } from 'smtp-server';

export interface ReceivedMail {
  to: string[];
  messageId: string | undefined;
  raw: string;
}

/** What the server says at each step; undefined: yes. `n` counts the step's calls, from 1. */
export interface SmtpFaults {
  connection?: (n: number) => [code: number, text: string] | undefined;
  recipient?: (n: number, address: string) => [code: number, text: string] | undefined;
  data?: (n: number) => [code: number, text: string] | undefined;
}

/** A mail server that refuses what the test wants refused, and keeps the rest. */
export async function startSmtpServer(faults: SmtpFaults = {}) {
  const mails: ReceivedMail[] = [];
  const counts = { connection: 0, recipient: 0, data: 0 };
  const errorOf = (fault: [number, string] | undefined) =>
    fault && Object.assign(new Error(fault[1]), { responseCode: fault[0] });
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS', 'AUTH'],
    onConnect(_session, done) {
      counts.connection += 1;
      done(errorOf(faults.connection?.(counts.connection)));
    },
    onRcptTo({ address }, _session, done) {
      counts.recipient += 1;
      done(errorOf(faults.recipient?.(counts.recipient, address)));
    },
    onData(stream, session, done) {
      counts.data += 1;
      const parts: Buffer[] = [];
      stream.on('data', (part: Buffer) => parts.push(part));
      stream.on('end', () => {
        const fault = errorOf(faults.data?.(counts.data));
        if (fault) return done(fault);
        const raw = Buffer.concat(parts).toString();
        const messageId = /^message-id: (.+)$/im.exec(raw)?.[1]?.trim();
        mails.push({ to: session.envelope.rcptTo.map(({ address }) => address), messageId, raw });
        done();
      });
    },
  });
  server.on('error', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.server.address() as { port: number };
  return {
    url: `smtp://127.0.0.1:${port}`,
    mails,
    counts,
    close: () => new Promise<void>((resolve) => server.close(resolve)),
  };
}
