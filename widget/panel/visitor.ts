// Who the visitor is: as the page says, as a token proves that the page brought, or after signing in here.
import type { Identity } from '../loader/options.ts';
import { store, stored } from '../loader/settings.ts';
import { claimsOf } from './claims.ts';

/** What a site's login gave, for as long as its token is good. */
interface Login {
  token: string;
  name: string | undefined;
  /** Milliseconds since 1970. */
  until: number;
}
export type Visitor = ReturnType<typeof createVisitor>;

const tokenLifeMs = 24 * 60 * 60 * 1000;

export function createVisitor(storageName: string, given: Identity | undefined) {
  const name = `${storageName}:visitor`;
  let user = given;
  const login = (): Login | undefined => {
    const kept = stored<Login>(name);
    return kept && kept.until > Date.now() ? kept : undefined;
  };
  return {
    get user() {
      return user;
    },
    get name() {
      return user?.name ?? login()?.name;
    },
    /** The page's own comes first: it knows who is signed in there now. */
    get token() {
      return user?.token ?? login()?.token;
    },
    get claims() {
      return claimsOf(user);
    },
    identify(identity: Identity | undefined): void {
      user = identity;
    },
    signedIn: (token: string, by: string | undefined) =>
      store(name, { token, name: by, until: Date.now() + tokenLifeMs } satisfies Login),
    /** The server refused the token that was kept here. */
    signedOut: () => store(name, undefined),
    forget(): void {
      user = undefined;
      store(name, undefined);
    },
  };
}
