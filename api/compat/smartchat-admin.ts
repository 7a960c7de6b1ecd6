// The SmartChat dashboard's calls: a tenant is a project, `?tenant_id=` picks it, and its members' roles hold.
import type { App, AppDependencies } from '../app.ts';
import { smartChatDatabaseRoutes } from './smartchat-databases.ts';
import { smartChatLoginRoutes } from './smartchat-login.ts';
import { smartChatModelRoutes } from './smartchat-model.ts';
import { smartChatConversationRoutes, smartChatKnowledgeRoutes } from './smartchat-records.ts';
import { errorHandler } from './smartchat-shared.ts';
import { smartChatTenantRoutes, smartChatWidgetRoutes } from './smartchat-tenants.ts';
import { smartChatToolRoutes } from './smartchat-tools.ts';

export async function smartChatAdminRoutes(app: App, deps: AppDependencies): Promise<void> {
  await app.register(async (scope: App) => {
    scope.setErrorHandler(errorHandler(deps));
    smartChatTenantRoutes(scope, deps);
    smartChatWidgetRoutes(scope, deps);
    smartChatModelRoutes(scope, deps);
    smartChatLoginRoutes(scope, deps);
    smartChatConversationRoutes(scope, deps);
    smartChatDatabaseRoutes(scope, deps);
    smartChatToolRoutes(scope, deps);
    await smartChatKnowledgeRoutes(scope, deps);
  });
}
