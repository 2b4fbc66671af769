"""The addresses that botocore has for the services that are asked here: a line for each with
service, region, FIPS, dual stack, address."""

from botocore.endpoint_provider import EndpointProvider
from botocore.session import Session

loader = Session().get_component("data_loader")
partitions = loader.load_data("partitions")
regions = [
    region
    for partition in partitions["partitions"]
    for region in partition["regions"]
    if "global" not in region
]
for service in ["secretsmanager", "ssm", "sts", "sso", "sso-oidc"]:
    rules = loader.load_service_model(service, "endpoint-rule-set-1")
    provider = EndpointProvider(rules, partitions)
    extra = {"UseGlobalEndpoint": False} if service == "sts" else {}
    for region in regions:
        for fips in [False, True]:
            for dual in [False, True]:
                found = provider.resolve_endpoint(
                    Region=region, UseFIPS=fips, UseDualStack=dual, **extra
                )
                print(service, region, int(fips), int(dual), found.url)
