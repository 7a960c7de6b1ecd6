import { randomBytes } from 'node:crypto';
import { createApiClient } from './api-client.ts';
import { createMailbox } from './mailbox.ts';

export interface Person {
  email: string;
  password: string;
  userId: string;
  /** Their own. */
  workspaceId: string;
  /** The header of a request that they make. */
  bearer: { authorization: string };
}

/** People with accounts, who registered as everybody does. */
export function createPeople(apiUrl: string, mailboxUrl: string) {
  const api = createApiClient(apiUrl, undefined);
  const mailbox = createMailbox(mailboxUrl);
  const newAddress = () => `person-${randomBytes(6).toString('hex')}@example.com`;

  return {
    newAddress,
    mailTo: mailbox.nth,
    /** The code in the n-th mail to the address. */
    codeFor: (address: string, n = 1) => mailbox.code(address, n),

    async signUp(): Promise<Person> {
      const [email, password] = [newAddress(), `password ${randomBytes(6).toString('hex')}`];
      await api.call('POST', '/auth/register', { email, password, name: 'Ada' });
      await api.call('POST', '/auth/verify-otp', { email, otp: await mailbox.code(email) });
      const answer = await api.call('POST', '/auth/login', { email, password });
      const bearer = { authorization: `Bearer ${answer.json.accessToken}` };
      const { workspaces } = (await api.call('GET', '/workspaces', undefined, bearer)).json;
      return { email, password, userId: answer.json.user.id, workspaceId: workspaces[0].id, bearer };
    },
  };
}
