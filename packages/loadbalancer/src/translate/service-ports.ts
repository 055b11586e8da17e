import type { Field } from '@cilium-ts/manifest';
import type { ServiceObject } from '../schema/service.ts';

/** Reports ports that contradict one another or the service's type. */
export function checkPorts({ ports, type = 'ClusterIP', clusterIP }: ServiceObject['spec'], field: Field): void {
  const list = ports ?? [];
  if (list.length === 0 && type !== 'ExternalName' && clusterIP !== 'None') {
    field.report({ code: 'missing-field', message: 'the service has no ports', remedy: 'add ports with at least one port', point: 'key' });
  }
  const names = new Set<string>();
  const numbers = new Set<string>();
  list.forEach(({ name = '', port, protocol = 'TCP', nodePort = 0 }, index) => {
    const at = field.child('ports', index);
    if (name === '' && list.length > 1) {
      at.report({ code: 'missing-field', message: 'a port without a name among several', remedy: 'name every port: endpoints are found by the names' });
    } else if (names.has(name)) {
      at.child('name').report({ code: 'invalid-value', message: `two ports are named ${JSON.stringify(name)}`, remedy: 'rename one of them' });
    }
    if (numbers.has(`${port}/${protocol}`)) {
      at.child('port').report({ code: 'invalid-value', message: `port ${port}/${protocol} occurs twice`, remedy: 'remove one of them' });
    }
    if (nodePort !== 0 && (type === 'ClusterIP' || type === 'ExternalName')) {
      at.child('nodePort').report({ code: 'invalid-value', message: `a service of type ${type} has no NodePort`, remedy: 'remove nodePort, or set type to NodePort' });
    }
    if (nodePort === 0 && type === 'NodePort') {
      at.report({ code: 'suspicious', severity: 'warning', message: 'the port has no nodePort, and nobody chooses one for objects in files', remedy: 'add nodePort' });
    }
    names.add(name);
    numbers.add(`${port}/${protocol}`);
  });
}
