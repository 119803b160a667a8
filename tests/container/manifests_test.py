#!/usr/bin/env python3
"""What runs the service: Dockerfile, Compose, manifests, Helm chart, certificates.

manifests_test.py DCAC SERVER [TEST...]: paths of the programs.  What needs helm or docker-compose is skipped without them.
"""
import filecmp
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / 'deploy'
CHART = DEPLOY / 'helm/dcac'
HEALTH = ['dcac-server', 'health', 'unix:/tmp/dcac.sock']
SECRETS = ['--set=tls.secretName=t', '--set=tokens.secretName=s']


def version():
    return re.search(r'project\(dcac VERSION ([\d.]+)', (ROOT / 'CMakeLists.txt').read_text()).group(1)


def run(*command, **more):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)


def needs(program):
    return unittest.skipUnless(shutil.which(program), f'no {program}')


class KubernetesTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        documents = []
        for file in sorted((DEPLOY / 'kubernetes').glob('*.yaml')):
            documents += [d for d in yaml.safe_load_all(file.read_text()) if d is not None]
        cls.by_kind = {d['kind']: d for d in documents}
        cls.pod = cls.by_kind['Deployment']['spec']['template']['spec']
        cls.container, = cls.pod['containers']
        cls.settings = cls.by_kind['ConfigMap']['data']['dcac-server.toml']

    def test_everything_is_there_under_one_name(self):
        self.assertEqual(sorted(self.by_kind), ['ConfigMap', 'Deployment', 'NetworkPolicy', 'PodDisruptionBudget',
                                                'Service', 'ServiceAccount', 'ServiceMonitor'])
        for document in self.by_kind.values():
            self.assertTrue(document['apiVersion'])
            self.assertEqual(document['metadata']['name'], 'dcac')

    def test_selectors_find_the_pods(self):
        labels = self.by_kind['Deployment']['spec']['template']['metadata']['labels']
        selectors = [self.by_kind['Service']['spec']['selector'],
                     self.by_kind['NetworkPolicy']['spec']['podSelector']['matchLabels']]
        selectors += [self.by_kind[kind]['spec']['selector']['matchLabels']
                      for kind in ('Deployment', 'PodDisruptionBudget')]
        for selector in selectors:
            self.assertLessEqual(selector.items(), labels.items())
        self.assertLessEqual(self.by_kind['ServiceMonitor']['spec']['selector']['matchLabels'].items(),
                             self.by_kind['Service']['metadata']['labels'].items())

    def test_ports_are_those_of_the_container(self):
        names = {port['name'] for port in self.container['ports']}
        used = {port['targetPort'] for port in self.by_kind['Service']['spec']['ports']}
        used |= {rule['ports'][0]['port'] for rule in self.by_kind['NetworkPolicy']['spec']['ingress']}
        used |= {endpoint['port'] for endpoint in self.by_kind['ServiceMonitor']['spec']['endpoints']}
        self.assertEqual(used, names)
        for port in self.container['ports']:
            self.assertIn(f':{port["containerPort"]}"', self.settings)

    def test_the_container_has_no_privileges(self):
        self.assertTrue(self.pod['securityContext']['runAsNonRoot'])
        self.assertEqual(self.pod['securityContext']['runAsUser'], 10001)
        self.assertEqual(self.pod['securityContext']['seccompProfile'], {'type': 'RuntimeDefault'})
        self.assertFalse(self.pod['automountServiceAccountToken'])
        self.assertEqual(self.container['securityContext'],
                         {'allowPrivilegeEscalation': False, 'readOnlyRootFilesystem': True,
                          'capabilities': {'drop': ['ALL']}})

    def test_probes_ask_the_server_itself(self):
        for probe in ('startupProbe', 'readinessProbe', 'livenessProbe'):
            self.assertEqual(self.container[probe]['exec']['command'], HEALTH)
        self.assertIn(f'"{HEALTH[-1]}"', self.settings)

    def test_memory_is_limited(self):
        self.assertIn('memory', self.container['resources']['limits'])
        self.assertLessEqual({'cpu', 'memory'}, self.container['resources']['requests'].keys())

    def test_the_grace_period_holds_lame_duck_and_drain(self):
        def setting(name):
            return int(re.search(rf'^{name} = (\d+)$', self.settings, re.MULTILINE).group(1))

        needed = setting('lame_duck_ms') / 1000 + setting('drain_seconds')
        self.assertGreater(self.pod['terminationGracePeriodSeconds'], needed + 5)

    def test_secrets_are_not_readable_for_all(self):
        secrets = [volume['secret'] for volume in self.pod['volumes'] if 'secret' in volume]
        self.assertEqual(len(secrets), 2)
        self.assertTrue(all(secret['defaultMode'] == 0o440 for secret in secrets))

    def test_the_server_takes_its_settings(self):
        with tempfile.TemporaryDirectory() as folder:
            run(DEPLOY / 'make-certificates', folder, 'localhost')
            tokens, config = pathlib.Path(folder) / 'tokens', pathlib.Path(folder) / 'dcac-server.toml'
            tokens.touch(0o640)
            config.write_text(self.settings.replace('/etc/dcac/tls', folder).replace('/etc/dcac/tokens', folder))
            result = run(SERVER, f'--config={config}', '--check-config')
            self.assertEqual(result.returncode, 0, result.stdout)

    def test_the_image_is_of_this_version(self):
        self.assertEqual(self.container['image'], f'dcac-server:{version()}')


class ChartTest(unittest.TestCase):

    def template(self, *options):
        return run('helm', 'template', 'some', CHART, '--kube-version=1.30.0', *options)

    def settings(self, *options):
        result = self.template(*options)
        self.assertEqual(result.returncode, 0, result.stdout)
        documents = [d for d in yaml.safe_load_all(result.stdout) if d is not None]
        return next(d for d in documents if d['kind'] == 'ConfigMap')['data']['dcac-server.toml']

    def test_versions_are_those_of_the_project(self):
        chart = yaml.safe_load((CHART / 'Chart.yaml').read_text())
        self.assertEqual((chart['version'], chart['appVersion']), (version(), version()))

    @needs('helm')
    def test_lint(self):
        result = run('helm', 'lint', '--strict', CHART, *SECRETS)
        self.assertEqual(result.returncode, 0, result.stdout)

    @needs('helm')
    def test_manifests_are_what_the_chart_renders(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(run(DEPLOY / 'kubernetes/render', folder).stdout, '')
            names = sorted(os.listdir(folder))
            self.assertEqual(names, sorted(p.name for p in (DEPLOY / 'kubernetes').glob('*.yaml')))
            _, different, errors = filecmp.cmpfiles(DEPLOY / 'kubernetes', folder, names, shallow=False)
            self.assertEqual(different + errors, [], 'run deploy/kubernetes/render')

    @needs('helm')
    def test_is_not_installed_open_by_accident(self):
        for options in ([], SECRETS[:1], SECRETS[1:]):
            result = self.template(*options)
            self.assertNotEqual(result.returncode, 0)
            self.assertIn('insecure=true', result.stdout)
        self.assertIn('insecure = true', self.settings('--set=insecure=true'))
        self.assertNotIn('insecure', self.settings(*SECRETS))

    @needs('helm')
    def test_unknown_values_are_errors(self):
        self.assertIn('replica', self.template(*SECRETS, '--set=replica=3').stdout)
        self.assertNotEqual(self.template(*SECRETS, '--set=replica=3').returncode, 0)

    @needs('helm')
    def test_settings_reach_the_configuration_file(self):
        settings = self.settings(*SECRETS, '--set=tls.clientCa=true', '--set=settings.max_streams=64',
                                 '--set=settings.budget_bytes=1GiB')
        self.assertIn('\nmax_streams = 64\n', settings)
        self.assertIn('\nbudget_bytes = "1GiB"\n', settings)
        self.assertIn('\ntls_client_ca_file = "/etc/dcac/tls/ca.crt"\n', settings)


class ComposeTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.services = yaml.safe_load((DEPLOY / 'compose.yaml').read_text())['services']

    def test_nothing_is_published_beyond_the_host(self):
        for name, service in self.services.items():
            for port in service.get('ports', []):
                self.assertTrue(port.startswith('127.0.0.1:'), f'{name}: {port}')

    def test_the_server_has_no_privileges(self):
        server = self.services['dcac']
        self.assertTrue(server['read_only'])
        self.assertEqual(server['cap_drop'], ['ALL'])
        self.assertEqual(server['security_opt'], ['no-new-privileges'])

    def test_mounted_files_are_there(self):
        for service in self.services.values():
            for volume in service.get('volumes', []):
                source = volume.split(':')[0]
                if source.startswith('./'):
                    self.assertTrue((DEPLOY / source).exists(), source)

    def test_prometheus_reads_the_server(self):
        scrape, = yaml.safe_load((DEPLOY / 'prometheus/prometheus.yml').read_text())['scrape_configs']
        self.assertEqual(scrape['static_configs'], [{'targets': ['dcac:9464']}])
        self.assertIn('--metrics-listen=0.0.0.0:9464', self.services['dcac']['command'])

    def test_the_image_is_of_this_version(self):
        self.assertEqual(self.services['dcac']['image'], f'dcac-server:{version()}')

    def test_the_server_takes_its_flags(self):
        with tempfile.TemporaryDirectory() as folder:
            run(DEPLOY / 'make-certificates', folder, 'localhost')
            (pathlib.Path(folder) / 'tokens').touch(0o640)
            flags = [flag.replace('/etc/dcac/secrets', folder) for flag in self.services['dcac']['command']]
            result = run(SERVER, '--check-config', *flags)
            self.assertEqual(result.returncode, 0, result.stdout)

    @needs('docker-compose')
    def test_compose_takes_it(self):
        result = run('docker-compose', '-f', DEPLOY / 'compose.yaml', 'config', '-q',
                     env={**os.environ, 'DCAC_SECRETS': '/nowhere'})
        self.assertEqual((result.returncode, result.stdout), (0, ''))


class ImageTest(unittest.TestCase):

    def test_the_runtime_image_and_its_health_check(self):
        text = (ROOT / 'Dockerfile').read_text()
        self.assertIn('HEALTHCHECK', text)
        self.assertIn(', '.join(f'"{word}"' for word in HEALTH), text)

    def test_the_programs_find_their_libraries_in_it(self):
        """What the programs are linked with is installed, or needed by what is installed."""
        installed = set(re.search(r'--no-install-recommends \\\n\s+(.*?) >/dev/null', (ROOT / 'Dockerfile').read_text(),
                                  re.DOTALL).group(1).split())
        linked = packages_of(DCAC, SERVER)
        if any(re.match('lib[a-z]+san[0-9]', name) for name in linked):
            self.skipTest('sanitizers are not in the image')
        self.assertEqual(linked - with_dependencies(installed), set())


class CertificatesTest(unittest.TestCase):

    def test_the_server_is_known_by_its_names_and_its_key_is_not_readable_for_all(self):
        with tempfile.TemporaryDirectory() as folder:
            made = run(DEPLOY / 'make-certificates', folder, 'dcac.dcac', '127.0.0.1')
            self.assertEqual((made.returncode, made.stdout), (0, ''))
            self.assertEqual(sorted(os.listdir(folder)), ['ca.crt', 'tls.crt', 'tls.key'])
            verify = ['openssl', 'verify', '-CAfile', f'{folder}/ca.crt', '-purpose', 'sslserver']
            for name in (['-verify_hostname', 'dcac.dcac'], ['-verify_ip', '127.0.0.1']):
                self.assertEqual(run(*verify, *name, f'{folder}/tls.crt').returncode, 0)
            self.assertNotEqual(run(*verify, '-verify_hostname', 'other', f'{folder}/tls.crt').returncode, 0)
            self.assertEqual(os.stat(f'{folder}/tls.key').st_mode & 0o027, 0)

    def test_a_name_is_needed(self):
        self.assertEqual(run(DEPLOY / 'make-certificates', '/nowhere').returncode, 2)


def packages_of(*programs):
    """Packages that the programs' libraries come from."""
    libraries = [os.path.realpath(path) for path in re.findall(r'=> (/\S+)', run('ldd', *programs).stdout)]
    listed = run('dpkg-query', '--search', *libraries).stdout
    return set(re.findall(r'^([^:\s]+)(?::\w+)?: /', listed, re.MULTILINE))


def with_dependencies(packages):
    """`packages` and all that they need, as the package manager knows of what is installed here."""
    found, left = set(), set(packages) | {'base-files', 'apt'}  # what any Debian has
    while left:
        name = left.pop()
        found.add(name)
        needed = run('dpkg-query', '--show', '--showformat=${Depends}, ${Pre-Depends}', name).stdout
        left |= set(re.findall(r'[a-z0-9][a-z0-9+.-]+(?=[^,|]*)', re.sub(r'\([^)]*\)', '', needed))) - found
    return found


if __name__ == '__main__':
    DCAC, SERVER = (os.path.abspath(sys.argv.pop(1)) for _ in range(2))
    unittest.main()
