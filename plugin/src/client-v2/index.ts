// The plugin's half in NocoBase's newer client. It shares its forms with the classic one.

import { Plugin } from '@nocobase/client-v2';
import { register } from '../forms/register';
import { pages } from '../pages/list';

export default class PluginSidehookClient extends Plugin {
  async load() {
    register(this.app.pm.get('workflow'));
    const { pluginSettingsManager: settings } = this.app;
    settings.addMenuItem({ key: 'sidehook', title: 'sidehook', icon: 'ApiOutlined' });
    for (const page of pages((text) => this.t(text), { workflow: '/admin/workflow' }))
      settings.addPageTabItem({ menuKey: 'sidehook', ...page });
  }
}
