"""Towns that the generated home owners live in: ZIPs, area codes and zones that belong together."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """`zone` is the one the whole town keeps; `weight` is how often it turns up."""

    city: str
    state: str
    zips: tuple[str, ...]
    area_codes: tuple[str, ...]
    zone: str
    latitude: float
    longitude: float
    weight: int


EASTERN, CENTRAL, MOUNTAIN = "America/New_York", "America/Chicago", "America/Denver"
PACIFIC, ARIZONA, HAWAII = "America/Los_Angeles", "America/Phoenix", "Pacific/Honolulu"

PLACES = (
    Place("Quincy", "MA", ("02169", "02170", "02171"), ("617", "857"), EASTERN, 42.252, -71.002, 14),
    Place("Braintree", "MA", ("02184",), ("781", "339"), EASTERN, 42.205, -71.002, 8),
    Place("Weymouth", "MA", ("02188", "02189", "02190", "02191"), ("781",), EASTERN, 42.218, -70.941, 8),
    Place("Dorchester", "MA", ("02121", "02122", "02124", "02125"), ("617",), EASTERN, 42.301, -71.067, 8),
    Place("Worcester", "MA", ("01602", "01604", "01606"), ("508", "774"), EASTERN, 42.262, -71.802, 6),
    Place("Lowell", "MA", ("01850", "01851", "01852"), ("978",), EASTERN, 42.633, -71.316, 5),
    Place("Springfield", "MA", ("01104", "01108", "01109"), ("413",), EASTERN, 42.101, -72.589, 4),
    Place("Plymouth", "MA", ("02360",), ("508",), EASTERN, 41.958, -70.667, 4),
    Place("Providence", "RI", ("02904", "02906", "02908"), ("401",), EASTERN, 41.824, -71.412, 5),
    Place("Warwick", "RI", ("02886", "02889"), ("401",), EASTERN, 41.700, -71.416, 3),
    Place("Nashua", "NH", ("03060", "03062", "03064"), ("603",), EASTERN, 42.765, -71.467, 4),
    Place("Portland", "ME", ("04101", "04102", "04103"), ("207",), EASTERN, 43.661, -70.255, 3),
    Place("Hartford", "CT", ("06105", "06106", "06114"), ("860",), EASTERN, 41.763, -72.685, 3),
    Place("Albany", "NY", ("12203", "12205", "12208"), ("518",), EASTERN, 42.652, -73.756, 3),
    Place("Knoxville", "TN", ("37917", "37918", "37919"), ("865",), EASTERN, 35.960, -83.920, 2),
    Place("Pensacola", "FL", ("32503", "32504", "32507"), ("850",), CENTRAL, 30.421, -87.217, 2),
    Place("Gary", "IN", ("46402", "46404", "46408"), ("219",), CENTRAL, 41.593, -87.346, 2),
    Place("Naperville", "IL", ("60540", "60563", "60565"), ("630", "331"), CENTRAL, 41.785, -88.147, 4),
    Place("El Paso", "TX", ("79902", "79912", "79936"), ("915",), MOUNTAIN, 31.761, -106.485, 2),
    Place("Denver", "CO", ("80205", "80210", "80220"), ("303", "720"), MOUNTAIN, 39.739, -104.990, 3),
    Place("Phoenix", "AZ", ("85014", "85016", "85018"), ("602",), ARIZONA, 33.448, -112.074, 2),
    Place("Sacramento", "CA", ("95816", "95818", "95822"), ("916",), PACIFIC, 38.581, -121.494, 3),
    Place("Spokane", "WA", ("99201", "99203", "99205"), ("509",), PACIFIC, 47.658, -117.426, 2),
    Place("Honolulu", "HI", ("96813", "96816", "96822"), ("808",), HAWAII, 21.307, -157.858, 1),
)
WEIGHTS = tuple(place.weight for place in PLACES)
