import type { Role, Scope } from '../../domain/auth.ts';

/** One call, as the server's OpenAPI document states it. */
export interface Operation {
  method: string;
  /** With `{names}` for its parameters. */
  path: string;
  access: 'public' | 'platform admin' | 'stated';
  scope: Scope | undefined;
  /** Of the project's workspace, or of the workspace in the path. */
  role: Role | undefined;
  /** The JSON schema of the body, where there is one. */
  body: object | undefined;
}

interface Stated {
  'x-scope'?: Scope;
  'x-role'?: Role | 'platform admin';
  security?: object[];
  requestBody?: { content: Record<string, { schema: object }> };
}

export function operationsOf(document: { paths: Record<string, Record<string, Stated>> }): Operation[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, stated]): Operation => {
      const role = stated['x-role'];
      const isPublic = !stated['x-scope'] && !role && !stated.security?.length;
      return {
        method: method.toUpperCase(),
        path,
        access: isPublic ? 'public' : role === 'platform admin' ? role : 'stated',
        scope: stated['x-scope'],
        role: role === 'platform admin' ? undefined : role,
        body: stated.requestBody?.content['application/json']?.schema,
      };
    }),
  );
}
