"""Names of people, organisations and streets, with the accents and quotes that real lists have."""

FIRST_NAMES = (
    "James", "Maria", "Robert", "Patricia", "John", "Jennifer", "Michael", "Linda", "David", "Elizabeth",
    "William", "Barbara", "Richard", "Susan", "Joseph", "Jessica", "Thomas", "Karen", "Charles", "Sarah",
    "Christopher", "Nancy", "Daniel", "Margaret", "Matthew", "Lisa", "Anthony", "Sandra", "Mark", "Ashley",
    "José", "Renée", "Zoë", "André", "Siobhán", "Jürgen", "D’Andre", "Mary-Ann", "Xin", "Anh",
    "Kevin", "Donna", "Brian", "Carol", "George", "Michelle", "Edward", "Emily", "Ronald", "Amanda",
)  # fmt: skip
LAST_NAMES = (
    "Smith", "Johnson", "Williams", "Brown", "Jones", "Garcia", "Miller", "Davis", "Rodriguez", "Martinez",
    "O’Brien", "O'Connor", "D’Angelo", "Sullivan", "Murphy", "McCarthy", "Santos", "Silva", "Pereira", "Nguyen",
    "Peña", "Muñoz", "Lefèvre", "Müller", "Çelik", "Kowalski", "Fitzgerald", "Walsh", "St. Pierre", "de la Cruz",
    "Chen", "Kim", "Patel", "Cohen", "Rossi", "Costa", "Medeiros", "Doherty", "Hernández", "Wright",
    "Lopez-Rivera", "Van Dyke", "Jr. Thompson", "Hill", "Scott", "Green", "Adams", "Baker", "Nelson", "Carter",
)  # fmt: skip
ORGANISATIONS = (
    "{last} Family Trust", "{last} Realty LLC", "{last} & Sons Inc", "Estate of {first} {last}",
    "{street} Holdings LLC",
)  # fmt: skip
STREETS = (
    "Washington St", "Main Street", "Elm St", "Hancock Street", "Beale St", "Adams Street", "Sea St", "Quarry Street",
    "Furnace Brook Pkwy", "Billings Road", "Commercial St", "River Road", "Pleasant St", "Union Street", "Oak Avenue",
    "Maple Ave", "Lincoln Terrace", "Park Lane", "Granite St", "Highland Avenue", "Cedar Circle", "Prospect Hill Rd",
)  # fmt: skip
SUBDIVISIONS = (
    "",
    "",
    "",
    "Merrymount",
    "Wollaston Hill",
    "Squantum, North",
    'The "Point"',
    "Lot 7\nBlock B",
    "Élan Park",
)
KINDS_OF_HOME = ("SFR", "SFR", "SFR", "Single Family", "CND", "DPX", "2-4 Unit")
